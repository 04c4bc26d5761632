"""An `up` that is ended at any moment: the name can be used again, or it is said what to do, and `down` clears up."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .host import User

pytestmark = pytest.mark.usefixtures("nothing_left")
UP_TAKES = 1.5  # seconds, at most, on a host that is not slower than most


@pytest.fixture
def name() -> str:
    return f"e2e-{os.urandom(4).hex()}"


def killed_after(user: User, name: str, seconds: float, number: signal.Signals) -> tuple[int, bytes]:
    """Return the exit code of an `up` that gets a signal so many seconds after its start, and its messages."""
    up = user.begin("up", "--name", name, "--pair", "ipc-mnt", stdin=subprocess.DEVNULL)
    time.sleep(seconds)
    for pid in nsbridge_of(up.pid):
        os.kill(pid, number)
    messages = up.communicate(timeout=30)[1]
    return up.returncode, messages


def nsbridge_of(pid: int) -> list[int]:
    """Return the process that was started, or, behind runuser, that which it started."""
    if b"runuser" not in Path(f"/proc/{pid}/cmdline").read_bytes():
        return [pid]
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def moments(seed: str) -> list[float]:
    """Return random moments, spread evenly."""
    count = 5
    chance = random.Random(seed)
    return [UP_TAKES * (step + chance.random()) / count for step in range(count)]


@pytest.mark.parametrize("moment", moments("kill"))
def test_down_clears_up_after_an_up_that_was_killed(user: User, name: str, moment: float) -> None:
    killed_after(user, name, moment, signal.SIGKILL)
    again = user.nsbridge("up", "--name", name)
    if again.returncode:
        assert f"nsbridge down --name {name}" in again.stderr.decode()
        assert len(again.stderr.splitlines()) == 1
    down = user.nsbridge("down", "--name", name)
    assert (down.returncode, down.stderr) == (0, b"")


@pytest.mark.parametrize("moment", moments("terminate"))
def test_an_up_that_is_asked_to_end_clears_up_itself(user: User, name: str, moment: float) -> None:
    code, messages = killed_after(user, name, moment, signal.SIGTERM)
    assert b"Traceback" not in messages
    if code == 0:  # it was up by then
        assert user.nsbridge("down", "--name", name).returncode == 0


def test_the_name_is_free_again_after_down(user: User, name: str) -> None:
    killed_after(user, name, UP_TAKES / 4, signal.SIGKILL)
    assert user.nsbridge("down", "--name", name).returncode == 0
    user.up(name, "net-ipc")
    assert user.nsbridge("client", "--name", name, stdin=b"hi\n").stdout == b"hi\n"
    assert user.nsbridge("down", "--name", name).returncode == 0
