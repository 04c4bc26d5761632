"""The namespaces that processes are in, as /proc tells it, and how to join them; knows no container.

Source: namespaces(7), setns(2), pidfd_open(2).
"""

from __future__ import annotations

import ctypes
import os
from enum import Enum
from pathlib import Path

from nsbridge.errors import HostError

_libc = ctypes.CDLL(None, use_errno=True)


class Kind(Enum):
    """The seven kinds, by their names under /proc/PID/ns; the value is the flag of clone(2)."""

    UTS = 0x04000000
    PID = 0x20000000
    MNT = 0x00020000
    NET = 0x40000000
    IPC = 0x08000000
    USER = 0x10000000
    CGROUP = 0x02000000

    @property
    def proc(self) -> str:
        """Return the name of the file under /proc/PID/ns."""
        return self.name.lower()


def identify(pid: int | str = "self") -> dict[Kind, int]:
    """Return the inode number of each namespace that process `pid` is in.

    Raises:
        HostError: the process is gone, or may not be looked at.
    """
    try:
        return {kind: Path(f"/proc/{pid}/ns/{kind.proc}").stat().st_ino for kind in Kind}
    except OSError as error:
        raise HostError(
            f"cannot read the namespaces of process {pid}: {error.strerror}; is it still running?"
        ) from None


def shared(one: dict[Kind, int], other: dict[Kind, int]) -> set[Kind]:
    """Return the kinds of which both processes are in the same namespace."""
    return {kind for kind in Kind if one[kind] == other[kind]}


def join(pidfd: int, kind: Kind) -> None:
    """Move this process into the `kind` namespace of the process behind `pidfd`.

    Raises:
        HostError: setns(2) refused: that process is gone (ESRCH), this one lacks the privilege (EPERM), or it has
            threads and the kind is MNT or USER (EINVAL).
    """
    if _libc.setns(pidfd, kind.value) != 0:
        number = ctypes.get_errno()
        raise HostError(f"cannot join the {kind.name} namespace: {os.strerror(number)}")
