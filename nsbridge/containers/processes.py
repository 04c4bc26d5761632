"""Finds and kills the processes of a container, by its root, or of a lab, by a mark; knows no runc and no cgroup.

It asks /proc alone, so it also finds what runc has forgotten or never came to know.
"""

import os
import re
import select
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

_PATIENCE = 5.0
"""Seconds until a killed process is gone."""

_MARK = "NSBRIDGE_LAB"


Belongs = Callable[[int], bool]
"""Whether the process of a pid is one of those that are looked for."""


def rooted_at(source: str) -> Belongs:
    """Look for processes whose root is the overlay that was mounted with this source."""
    return lambda pid: root_source(_read(pid, "mountinfo")) == source


def marked(lab: Path) -> Belongs:
    """Look for processes that were started with the environment of `environment(lab)`, and for theirs."""
    return lambda pid: f"{_MARK}={lab}" in _read(pid, "environ").split("\0")


def environment(lab: Path) -> dict[str, str]:
    """Return an environment by which a process is known to belong to the lab in this folder."""
    return {**os.environ, _MARK: str(lab)}


def find(belongs: Belongs) -> list[int]:
    """Return the pids of the processes that belong."""
    return [
        pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if pid != os.getpid() and belongs(pid)
    ]


def words(pid: int) -> list[str]:
    """Return the command line of a process."""
    return _read(pid, "cmdline").split("\0")[:-1]


def kill(belongs: Belongs) -> None:
    """Kill the processes that belong and wait until they are gone (pidfd_open(2))."""
    with ExitStack() as stack:
        poll = select.poll()
        alive = set()
        for pid in find(belongs):
            with suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                stack.callback(os.close, pidfd)
                if belongs(pid):  # still, so the pidfd is of no newcomer
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    poll.register(pidfd, select.POLLIN)
                    alive.add(pidfd)
        deadline = time.monotonic() + _PATIENCE
        while alive and (left := deadline - time.monotonic()) > 0:
            for pidfd, _ in poll.poll(left * 1000):
                poll.unregister(pidfd)
                alive.discard(pidfd)


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:  # it is gone, or somebody else's
        return ""


def root_source(mountinfo: str) -> str | None:
    """Return the source of the overlay that a /proc/PID/mountinfo has at its root, or None (proc(5))."""
    for line in mountinfo.splitlines():
        place, _, filesystem = line.partition(" - ")
        if place.split(" ")[4] == "/" and filesystem.startswith("overlay "):
            return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), filesystem.split(" ")[1])
    return None
