"""What a kill or a power cut may leave of a lab: `down` clears it up, and `up` finds a free name and a clean host.

Each test breaks the lab that the one before it made, so that every state costs one `up` only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .host import User, wait_until

NAME = "e2e-cut"


@pytest.fixture(scope="module")
def before(user: User) -> Iterator[Any]:
    """What there was before the first lab; it is what there is after the last."""
    found = user.traces()
    user.up(NAME, "net-ipc")
    yield found
    assert user.nsbridge("down", "--name", NAME).returncode == 0
    assert wait_until(lambda: user.traces() == found)


def folder(user: User) -> Path:
    return user.home / "labs" / NAME


def record(user: User) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder(user) / "lab.json").read_text())
    return found


def runc_folder(user: User) -> Path:
    return (Path("/run/runc") if user.root else user.home / "runc") / f"{NAME}-a"


def kill_all(user: User) -> None:
    """End every process of the lab at once, as a power cut does."""
    found = record(user)
    pids = [
        found["a"],
        found["b"],
        *(found[part]["pid"] for part in ("supervisor", "bridge", "holder") if found[part]),
    ]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # that nobody mends or ends in between
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def empty_record(user: User) -> None:
    (folder(user) / "lab.json").write_text("")


def cut_record(user: User) -> None:
    file = folder(user) / "lab.json"
    file.write_text(file.read_text()[:50])


def lose_record(user: User) -> None:
    file = folder(user) / "lab.json"
    file.rename(file.with_suffix(".json.new"))


def nonsense_record(user: User) -> None:
    (folder(user) / "lab.json").write_text('{"pair": 7, "bridge": {"pid": "x", "start": null}}')


def cut_runc(user: User) -> None:
    kill_all(user)
    (runc_folder(user) / "state.json").write_text("{")


def lose_processes(user: User) -> None:
    """Leave runc's state, cgroups, mounts and the record of processes that are gone."""
    kill_all(user)


def lose_runc(user: User) -> None:
    shutil.rmtree(runc_folder(user))


def lose_bundle(user: User) -> None:
    (folder(user) / "a" / "config.json").unlink()
    (folder(user) / "b" / "lower").unlink()


def leave_stale_things(user: User) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(folder(user) / "socket"))
    os.mkfifo(folder(user) / "a" / "fifo")
    locked = folder(user) / "b" / "locked"
    locked.mkdir(mode=0)
    owner = folder(user).stat()
    os.chown(locked, owner.st_uid, owner.st_gid)


def mount_twice(user: User) -> None:
    """Leave a second mount over a root file system, as two interrupted `up` could."""
    outer = [] if user.root else ["nsenter", "--user", "--preserve-credentials", "--mount", "--target"]
    outer += [] if user.root else [str(record(user)["holder"]["pid"])]
    done = user.run(*outer, "mount", "-t", "tmpfs", "none", folder(user) / "a" / "rootfs")
    assert done.returncode == 0, done.stderr


STATES: list[Callable[[User], None]] = [
    empty_record, cut_record, lose_record, nonsense_record, lose_processes, cut_runc, lose_runc, lose_bundle,
    leave_stale_things, mount_twice,
]  # fmt: skip


@pytest.mark.parametrize("user", ["root"], indirect=True)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_down_and_up_succeed_after(user: User, before: Any, state: Callable[[User], None]) -> None:
    cleared_up_after(user, before, state)


@pytest.mark.parametrize("user", ["student"], indirect=True)
@pytest.mark.parametrize("state", [empty_record, lose_processes, mount_twice], ids=lambda state: state.__name__)
def test_down_and_up_succeed_without_root_after(user: User, before: Any, state: Callable[[User], None]) -> None:
    cleared_up_after(user, before, state)


def cleared_up_after(user: User, before: Any, state: Callable[[User], None]) -> None:
    state(user)
    down = user.nsbridge("down", "--name", NAME)
    assert (down.returncode, down.stderr) == (0, b"")
    wait_until(lambda: user.traces() == before, seconds=3)
    assert user.traces() == before
    user.up(NAME, "net-ipc")
    assert user.nsbridge("client", "--name", NAME, stdin=b"hi\n").stdout == b"hi\n"


def test_a_process_that_has_a_pid_on_record_by_now_is_left_alone(user: User, before: Any) -> None:
    """The kernel may have given the number of a part that is gone to anybody."""
    kill_all(user)
    with subprocess.Popen(user.argv("sleep", "60")) as somebody:
        pid = victim(somebody.pid)
        found = record(user)
        for part in ("supervisor", "bridge", "holder"):
            if found[part]:
                found[part]["pid"] = pid
        (folder(user) / "lab.json").write_text(json.dumps({**found, "a": pid, "b": pid}))
        for name in ("a", "b"):
            state = runc_folder(user).with_name(f"{NAME}-{name}") / "state.json"
            state.write_text(json.dumps({**json.loads(state.read_text()), "init_process_pid": pid}))
        down = user.nsbridge("down", "--name", NAME)
        assert (down.returncode, down.stderr) == (0, b"")
        assert somebody.poll() is None
        assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: user.traces() == before, seconds=3)
    assert user.traces() == before
    user.up(NAME, "net-ipc")


def victim(pid: int) -> int:
    """Return the process that was started, or, behind runuser, that which it started."""
    children: list[str] = []

    def begun() -> bool:
        with suppress(OSError):
            children[:] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return bool(children) or Path(f"/proc/{pid}/comm").read_text() == "sleep\n"

    assert wait_until(begun)
    return int(children[0]) if children else pid


def test_status_says_who_supervises_and_why_the_bridge_was_replaced(user: User, before: Any) -> None:
    assert "supervised  by process " in user.nsbridge("status", "--name", NAME).stdout.decode()
    os.kill(record(user)["bridge"]["pid"], signal.SIGKILL)
    assert wait_until(lambda: user.status(NAME)["bridge"]["restarts"] == 1)
    shown = user.nsbridge("status", "--name", NAME).stdout.decode()
    assert "restarts 1" in shown
    assert "last restart: the bridge died" in shown
    found = user.status(NAME)["supervisor"]
    assert found == {"pid": record(user)["supervisor"]["pid"], "alive": True}
    assert Path(f"/proc/{found['pid']}/cmdline").read_text().endswith(f"nsbridge.supervisor\0{NAME}\0")
