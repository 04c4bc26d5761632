"""A semaphore that is 1 as long as the process that made it lives; knows no streams.

Source: SEM_UNDO in semop(2): the kernel takes the 1 back, however the process ends, and wakes who waits for zero.
"""

from __future__ import annotations

from contextlib import suppress

import sysv_ipc

from nsbridge.media.sysv import keys_in_use, uninterrupted

_MAY_READ = 0o444  # enough to wait for zero


def begin(key: int) -> sysv_ipc.Semaphore:
    """Make the semaphore of a key and hold it.

    Raises:
        sysv_ipc.ExistentialError: there is one.
        OSError: there are as many as the kernel allows (semmni).
    """
    semaphore = sysv_ipc.Semaphore(key, sysv_ipc.IPC_CREX, mode=0o644)
    semaphore.undo = True
    semaphore.release()
    return semaphore


def begin_one_of(keys: range) -> int:
    """Hold the semaphore of a free key and return the key, or 0 if the kernel has none left.

    Those whose processes are gone are removed, as far as they are ours to remove.
    """
    taken = set(keys_in_use("sem"))
    for key in taken.intersection(keys):
        if not alive(key):
            end(key)
    for key in keys:
        try:
            if key not in taken:
                begin(key)
                return key
        except sysv_ipc.ExistentialError:
            continue
        except (sysv_ipc.Error, OSError):
            break
    return 0


def end(key: int) -> None:
    """Remove the semaphore of a key, as if the process that made it were gone."""
    with suppress(sysv_ipc.Error, OSError):
        sysv_ipc.Semaphore(key, 0, _MAY_READ).remove()


def alive(key: int) -> bool | None:
    """Whether the process that made the semaphore of `key` lives; None if there is no such semaphore."""
    try:
        return sysv_ipc.Semaphore(key, 0, _MAY_READ).value > 0
    except (sysv_ipc.Error, OSError):
        return None


def wait_until_gone(key: int) -> None:
    """Wait until the process that made the semaphore of `key` is gone."""
    with suppress(sysv_ipc.Error, OSError):
        uninterrupted(sysv_ipc.Semaphore(key, 0, _MAY_READ).Z)
