"""The folders and locks of MNT: made, tried and removed, never through a symbolic link; knows no streams.

Source: open(2), flock(2).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import time

from nsbridge.errors import Broken, StreamError
from nsbridge.media.base import spawn

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FEW = 32  # files that are removed at once
_TRIES, _PAUSE = 100, 0.01  # to remove more; seconds between two of them


def make_folder(path: str) -> None:
    """Make a folder in which both sides may work: they seldom have the same user ID."""
    os.mkdir(path)
    os.chmod(path, 0o777)  # noqa: S103 — whoever is in the mount namespace may open streams


def make_lock(path: str) -> int:
    """Make a file, hold a lock on it, and return the descriptor: the kernel lets it go when this process ends."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def held(path: str) -> bool:
    """Whether some process holds a lock on the file (flock(2)); False where there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def wait_until_free(path: str) -> None:
    """Wait until nobody holds a lock on the file: its holder's close is told of a moment before the lock is gone."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)


def exists(name: str, folder: int) -> bool:
    """Whether there is anything by that name in the folder of a descriptor."""
    return os.access(name, os.F_OK, dir_fd=folder, follow_symlinks=False)


def open_parts(folder: str, *names: str) -> list[int]:
    """Return descriptors of a folder's folders; from then on nobody can put others in their places.

    Raises:
        Broken: one is missing, or is no folder.
    """
    fds: list[int] = []
    try:
        whole = os.open(folder, _FOLDER)
        try:
            for name in names:
                fds.append(os.open(name, _FOLDER, dir_fd=whole))
        finally:
            os.close(whole)
    except OSError as error:
        for fd in fds:
            os.close(fd)
        raise Broken(f"mnt: {folder!a} is no stream: {error.strerror}") from None
    return fds


def remove(folder: str, parts: list[int] | None = None) -> None:
    """Remove a folder and all that is in it; where that is much, a thread of its own does it.

    Args:
        folder: its path; what is no folder is removed as well.
        parts: descriptors of the folders in it, if they are open.
    """
    for fd in parts or []:
        with contextlib.suppress(OSError):
            os.unlink("end", dir_fd=fd)  # first: nobody may take for all what is left of the segments
    for fd in parts or []:
        with contextlib.suppress(OSError), os.scandir(fd) as entries:
            for entry in itertools.islice(entries, _FEW):
                os.unlink(entry.name, dir_fd=fd)
    with contextlib.suppress(OSError):
        whole = os.open(folder, _FOLDER)
        try:
            with contextlib.suppress(OSError):
                for name in ("up", "down"):
                    os.rmdir(name, dir_fd=whole)
        finally:
            os.close(whole)
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        with contextlib.suppress(OSError):
            os.unlink(folder)
    except OSError:
        with contextlib.suppress(StreamError):
            spawn(_remove_much, folder)


def await_descriptor() -> None:
    """Wait until this process may open another file; nothing tells when one was closed."""
    while True:
        try:
            os.close(os.dup(2))
        except OSError:
            time.sleep(_PAUSE)
        else:
            return


def _remove_much(folder: str) -> None:
    """Remove a folder; try again while somebody goes on writing there, and as long as there are no descriptors."""
    tries = _TRIES
    while tries:
        try:
            return shutil.rmtree(folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            tries -= error.errno not in (errno.EMFILE, errno.ENFILE)
        time.sleep(_PAUSE)
    return shutil.rmtree(folder, ignore_errors=True)
