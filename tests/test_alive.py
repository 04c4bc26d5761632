"""Processes told apart by their start; ps and the child itself are the witnesses."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsbridge.alive import Process


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "100"]) as process:
        yield process
        process.kill()


def state(pid: int) -> str:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def test_a_process_is_known_by_pid_and_start(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process.of(sleeper.pid)
    assert process.alive()
    assert process == Process.of(sleeper.pid)
    boot = float(Path("/proc/uptime").read_text().split()[0])
    assert 0 <= boot - process.start / os.sysconf("SC_CLK_TCK") < 60


def test_a_later_process_with_the_same_pid_is_another(sleeper: subprocess.Popen[bytes]) -> None:
    earlier = Process(sleeper.pid, Process.of(sleeper.pid).start - 1)
    assert not earlier.alive()
    assert earlier.kill()
    assert sleeper.poll() is None


def test_a_zombie_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process.of(sleeper.pid)
    assert process.kill()
    assert state(sleeper.pid).startswith("Z")
    assert not process.alive()
    assert Process.of(sleeper.pid).start == 0
    assert sleeper.wait() == -signal.SIGKILL
    assert not process.alive()
    assert process.kill()


def test_who_does_not_heed_a_signal_is_said_to_live() -> None:
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(100)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        process = Process.of(stubborn.pid)
        assert not process.kill(signal.SIGTERM, patience=0.1)
        assert process.kill(signal.SIGKILL)


@pytest.mark.parametrize("pid", [0, 2**22 + 1])
def test_a_pid_that_nobody_has_is_dead(pid: int) -> None:
    assert Process.of(pid) == Process(pid, 0)
    assert not Process.of(pid).alive()


def test_a_name_with_blanks_and_parentheses_does_not_confuse(tmp_path: Path) -> None:
    odd = tmp_path / "a) S (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "100"]) as process:
        assert Process.of(process.pid).alive()
        process.kill()
