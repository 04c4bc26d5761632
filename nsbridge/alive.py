"""A process that can be told from a later one with the same pid; knows not what it does.

Source: proc(5) for the start time, pidfd_open(2).
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A pid and the time it began, in clock ticks since boot."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the process that has `pid` now; one that is gone has start 0 and is not alive."""
        return cls(pid, _start(pid))

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return self.start != 0 and _start(self.pid) == self.start

    def kill(self, number: int = signal.SIGKILL, patience: float = 5.0) -> bool:
        """Send the signal and wait up to `patience` seconds; return whether the process is gone."""
        with suppress(ProcessLookupError):
            pidfd = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(pidfd, number)
                    poll = select.poll()
                    poll.register(pidfd, select.POLLIN)
                    poll.poll(patience * 1000)
            finally:
                os.close(pidfd)
        return not self.alive()


def _start(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])
