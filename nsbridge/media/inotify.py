"""The three system calls of inotify(7), by ctypes: no process is started and no file read to find the C library."""

from __future__ import annotations

import ctypes
import os

MODIFY = 0x002
CLOSE_WRITE = 0x008
MOVED_FROM = 0x040
MOVED_TO = 0x080
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
UNMOUNT = 0x2000
Q_OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x01000000
DONT_FOLLOW = 0x02000000
MASK_CREATE = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)


def _call(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def init() -> int:
    """Return a new inotify descriptor; OSError (EMFILE) when the user has max_user_instances of them."""
    return _call(_libc.inotify_init1(os.O_CLOEXEC))


def add_watch(fd: int, path: str, mask: int) -> int:
    """Watch `path` for the events in `mask` and return the watch descriptor; OSError as inotify_add_watch(2)."""
    return _call(_libc.inotify_add_watch(fd, os.fsencode(path), ctypes.c_uint32(mask)))


def rm_watch(fd: int, wd: int) -> None:
    """Watch no more; OSError (EINVAL) if the watch is gone already."""
    _call(_libc.inotify_rm_watch(fd, wd))
