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
from nsbridge.media.places import exists

SEGMENT = 65536  # bytes that a segment may have
WINDOW = 4  # segments that may be there at once
_NAME = 16  # bytes of a short name in an event
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Reader:
    """Takes bytes out of the segments, and gives the space back."""

    def __init__(self, folder: int) -> None:
        """Begin with segment 0 in the folder of a descriptor."""
        self._folder = folder
        self._number = -1
        self._fd = -1
        self._size = 0  # bytes read of this segment
        self._advance()

    def take(self) -> bytes:
        """Return the next bytes that are there, all that this segment has; b"" if none are.

        Raises:
            Broken: a segment is no regular file or cannot be read, or the writer went beyond its bounds.
        """
        complete = False
        while self._fd >= 0 or self._open():
            try:
                data = os.read(self._fd, SEGMENT + 1 - self._size)
            except OSError as error:
                raise Broken(f"mnt: segment {self._number}: {error.strerror}") from None
            if data:
                self._size += len(data)
                if self._size > SEGMENT:
                    raise Broken(f"mnt: segment {self._number} is larger than {SEGMENT} bytes")
                if self._size == SEGMENT:
                    self._remove()  # it is full: nothing more will come there
                return data
            if complete:
                self._remove()
            elif not exists(str(self._number + 1), self._folder):
                break
            complete = not complete  # what was written before the next one came is read first
        return b""

    @property
    def next(self) -> int:
        """The first segment of which nothing has been read."""
        return self._number + (self._fd >= 0)

    def newest(self) -> int:
        """Look for the last segment that is there."""
        number = self._number
        while number < self._number + WINDOW and exists(str(number + 1), self._folder):
            number += 1
        return number

    def overrun(self) -> str | None:
        """Say how the writer went beyond its bounds, where this can be seen without reading."""
        number = self._number
        # in this order: the reader may be removing that segment, which allows the other
        if exists(str(number + WINDOW), self._folder) and exists(str(number), self._folder):
            return f"mnt: more than {WINDOW} segments"
        with contextlib.suppress(OSError):
            if os.stat(str(number), dir_fd=self._folder, follow_symlinks=False).st_size > SEGMENT:
                return f"mnt: segment {number} is larger than {SEGMENT} bytes"
        return None

    def close(self) -> None:
        """Close the segment."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        try:
            fd = os.open(str(self._number), _READ, dir_fd=self._folder)
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
            os.unlink(str(self._number), dir_fd=self._folder)
        self._advance()

    def _advance(self) -> None:
        self._number += 1
        self.name = str(self._number).encode().ljust(_NAME, b"\0")
        """The segment that is read, as inotify(7) names it: filled up with zeros."""


class Writer:
    """Puts bytes into segments, at most WINDOW of them ahead of the reader."""

    def __init__(self, folder: int) -> None:
        """Begin with segment 0 in the folder of a descriptor."""
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
                if not self._room:
                    self.close()  # now: its event comes with that of the bytes
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                number = self._number + (not self._room)  # without room it was the next one
                raise Broken(f"mnt: cannot write segment {number}: {error.strerror}") from None
            self.full = True
        return done

    def blocked(self) -> bool:
        """Whether the reader must remove a segment before more can be written."""
        return not self._room and exists(str(self._number + 1 - WINDOW), self._folder)

    def finish(self) -> bool:
        """Say that no more will come; return False if the file system has no room even for that.

        Raises:
            Broken: the folder is gone, or something else stands there.
        """
        try:
            os.close(os.open("end", _WRITE, 0o644, dir_fd=self._folder))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
            raise Broken(f"mnt: cannot write the end: {error.strerror}") from None
        return True

    def close(self) -> None:
        """Close the segment."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _next(self) -> bool:
        if self.blocked():
            return False
        fd = os.open(str(self._number + 1), _WRITE, 0o644, dir_fd=self._folder)
        self._fd, self._number, self._room = fd, self._number + 1, SEGMENT
        return True
