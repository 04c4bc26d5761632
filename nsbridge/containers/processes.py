"""Finds and kills the processes that have a given overlay as their root; knows no runc and no cgroup.

It asks /proc alone, so it also finds what runc has forgotten or never came to know.
"""

import os
import re
import select
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

_PATIENCE = 5.0
"""Seconds until a killed process is gone."""


def rooted_at(source: str) -> list[int]:
    """Return the pids of processes whose root is the overlay that was mounted with this source."""
    pids = map(int, filter(str.isdecimal, os.listdir("/proc")))
    return [pid for pid in pids if pid != os.getpid() and _is_rooted_at(pid, source)]


def kill(source: str) -> None:
    """Kill the processes of `rooted_at(source)` and wait until they are gone (pidfd_open(2))."""
    with ExitStack() as stack:
        poll = select.poll()
        alive = set()
        for pid in rooted_at(source):
            with suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                stack.callback(os.close, pidfd)
                if _is_rooted_at(pid, source):  # still, so the pidfd is of no newcomer
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    poll.register(pidfd, select.POLLIN)
                    alive.add(pidfd)
        deadline = time.monotonic() + _PATIENCE
        while alive and (left := deadline - time.monotonic()) > 0:
            for pidfd, _ in poll.poll(left * 1000):
                poll.unregister(pidfd)
                alive.discard(pidfd)


def _is_rooted_at(pid: int, source: str) -> bool:
    try:
        return root_source(Path(f"/proc/{pid}/mountinfo").read_text(errors="replace")) == source
    except OSError:  # it is gone
        return False


def root_source(mountinfo: str) -> str | None:
    """Return the source of the overlay that a /proc/PID/mountinfo has at its root, or None (proc(5))."""
    for line in mountinfo.splitlines():
        place, _, filesystem = line.partition(" - ")
        if place.split(" ")[4] == "/" and filesystem.startswith("overlay "):
            return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), filesystem.split(" ")[1])
    return None
