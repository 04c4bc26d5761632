"""One direction of a stream as a folder of growing files (segments); knows no inotify and no streams.

The writer appends to the last segment, `0`, `1`, …; the reader removes a segment once it is read and the next
one exists. See docs/wire-mnt.md.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from nsbridge.errors import Broken
from nsbridge.media.base import Buffer

SEGMENT = 65536  # bytes that this writer puts into a segment
WINDOW = 4  # segments that this writer lets pile up
LIMIT = 1 << 20  # bytes in a segment that this reader puts up with
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Reader:
    """Takes bytes out of the segments, and gives the space back."""

    def __init__(self, folder: str) -> None:
        """Begin with segment 0 of `folder`."""
        self._folder = folder
        self._number = 0
        self._fd = -1
        self._size = 0  # bytes read of this segment

    def take(self) -> bytes:
        """Return the next bytes that are there, at most SEGMENT; b"" if none are.

        Raises:
            Broken: a segment is no regular file, or larger than LIMIT.
        """
        complete = False
        while self._fd >= 0 or self._open():
            data = os.read(self._fd, SEGMENT)
            if data:
                self._size += len(data)
                if self._size > LIMIT:
                    raise Broken(f"mnt: segment {self._number} is larger than {LIMIT} bytes")
                return data
            if complete:
                self._remove()
            elif not os.path.lexists(f"{self._folder}/{self._number + 1}"):
                break
            complete = not complete  # what was written before the next one came is read first
        return b""

    def close(self) -> None:
        """Close the segment."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        try:
            fd = os.open(f"{self._folder}/{self._number}", _READ)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Broken(f"mnt: segment {self._number}: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Broken(f"mnt: segment {self._number} is not a regular file")
        self._fd, self._size = fd, 0
        return True

    def _remove(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            os.unlink(f"{self._folder}/{self._number}")
        self._number += 1


class Writer:
    """Puts bytes into segments, at most WINDOW of them ahead of the reader."""

    def __init__(self, folder: str) -> None:
        """Begin with segment 0 of `folder`."""
        self._folder = folder
        self._number = -1
        self._fd = -1
        self._room = 0  # bytes that still go into this segment
        self.full = False  # whether the file system had no room for the last bytes put

    def put(self, data: Buffer) -> int:
        """Write what the window and the file system take, and return how many bytes that was.

        Raises:
            Broken: the folder is gone, or writing failed for another reason than a full disk.
        """
        view, done = memoryview(data), 0
        self.full = False
        try:
            while done < len(view):
                if not self._room and not self._next():
                    break
                written = os.write(self._fd, view[done : done + self._room])
                done += written
                self._room -= written
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise Broken(f"mnt: cannot write segment {self._number}: {error.strerror}") from None
            self.full = True
        return done

    def blocked(self) -> bool:
        """Whether the reader must remove a segment before more can be written."""
        return not self._room and os.path.lexists(f"{self._folder}/{self._number + 1 - WINDOW}")

    def finish(self) -> None:
        """Say that no more will come."""
        try:
            os.close(os.open(f"{self._folder}/end", _WRITE, 0o644))
        except OSError as error:
            raise Broken(f"mnt: cannot write the end: {error.strerror}") from None

    def close(self) -> None:
        """Close the segment."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _next(self) -> bool:
        if self.blocked():
            return False
        fd = os.open(f"{self._folder}/{self._number + 1}", _WRITE, 0o644)
        self.close()
        self._fd, self._number, self._room = fd, self._number + 1, SEGMENT
        return True
