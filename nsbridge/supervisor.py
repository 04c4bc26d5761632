"""Keeps a lab's bridge alive: a process that waits until a part dies, and mends; knows not how a bridge is made.

The bridge ends by itself when a container ends. The supervisor waits until that container runs again, whoever
started it, and lets a new bridge join its new namespaces. It ends when the lab's folder is gone.
"""

from __future__ import annotations

import select
import sys
import time
from contextlib import ExitStack
from os import close, pidfd_open

from nsbridge.containers import network
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab

_SHORTEST, _LONGEST = 0.004, 0.25  # seconds between two glances; runc tells nobody that a container has been started
_ANYWAY = 1.0  # seconds after which it is tried again though nothing has changed


def watch(name: str) -> None:
    """Supervise the lab until it is gone."""
    lab = Lab.find(name)
    network.preload()
    while lab.folder.exists():
        reason = wait(lab.pids())
        _log(reason)
        lab.replace_bridge(reason)
        pause = _SHORTEST
        while (seen := lab.glance()) and lab.folder.exists() and not _mended(lab):
            deadline = time.monotonic() + _ANYWAY
            while lab.folder.exists() and lab.glance() == seen and time.monotonic() < deadline:
                time.sleep(pause)
                pause = min(pause * 1.02, _LONGEST)


def wait(pids: dict[str, int]) -> str:
    """Wait until one of the processes is gone, and say which (pidfd_open(2))."""
    with ExitStack() as stack:
        poll = select.poll()
        parts: dict[int, str] = {}
        for part, pid in pids.items():
            try:
                pidfd = pidfd_open(pid)
            except (ProcessLookupError, ValueError):
                return _gone(part)
            stack.callback(close, pidfd)
            poll.register(pidfd, select.POLLIN)
            parts[pidfd] = part
        gone = [parts[pidfd] for pidfd, _ in poll.poll()]
    # with a container the bridge ends too
    return _gone(next((part for part in gone if part != "bridge"), gone[0]))


def _gone(part: str) -> str:
    return "the bridge died" if part == "bridge" else f"container {part} died"


def _mended(lab: Lab) -> bool:
    try:
        return lab.mend()
    except NsbridgeError as error:
        _log(str(error))
        return False


def _log(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    watch(sys.argv[1])
