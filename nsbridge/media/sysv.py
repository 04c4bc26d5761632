"""The calls of sysv_ipc without their surprises; knows no streams.

Source: sysvipc(7), msgop(2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import sysv_ipc

Result = TypeVar("Result")
_BUFFER = 65536  # bytes


def interrupted(error: Exception) -> bool:
    """Whether a call failed only because a signal came (EINTR): then sysv_ipc raises its base class itself."""
    return type(error) is sysv_ipc.Error


def uninterrupted(call: Callable[[], Result]) -> Result:
    """Call, and again as long as a signal interrupts it."""
    while True:
        try:
            return call()
        except sysv_ipc.Error as error:
            if not interrupted(error):
                raise


def make_queue(key: int) -> sysv_ipc.MessageQueue:
    """Make a new queue that everybody in the IPC namespace may use.

    Raises:
        sysv_ipc.ExistentialError: there is one with this key.
        OSError: there are as many as the kernel allows (msgmni).
    """
    sysv_ipc.MessageQueue(key, sysv_ipc.IPC_CREX, mode=0o666)
    return open_queue(key)


def open_queue(key: int) -> sysv_ipc.MessageQueue:
    """Open a queue, to receive whatever can be sent: a message larger than the buffer would stay there for good.

    The buffer is made anew for each message, which is cheap as long as malloc(3) does not have to map memory for it.
    """
    return sysv_ipc.MessageQueue(key, max_message_size=max(largest_message(), _BUFFER))


@cache
def largest_message() -> int:
    """Return msgmax of the IPC namespace this process is in, in bytes, as it was when first asked for."""
    try:
        return int(Path("/proc/sys/kernel/msgmax").read_bytes())
    except (OSError, ValueError):
        return 8192


def keys_in_use(table: str) -> list[int]:
    """Return the keys of a table in /proc/sysvipc, `msg` or `sem`; none if it cannot be read."""
    try:
        rows = Path("/proc/sysvipc", table).read_text().splitlines()[1:]
    except OSError:
        return []
    return [int(row.split()[0]) for row in rows]
