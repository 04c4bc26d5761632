"""One direction of a stream as a folder of files (segments); knows no inotify and no streams.

The writer appends to the last segment, `0`, `1`, …, or adds a whole one; the reader removes a segment once it is
read and is full, or the next one is there. See docs/wire-mnt.md.
"""

from __future__ import annotations

import contextlib
import errno
import os

from nsbridge.errors import Broken
from nsbridge.media.base import Buffer
from nsbridge.media.places import exists

SEGMENT = 131072  # bytes that a segment may have
WINDOW = 3  # segments that may be there at once
_MUCH = SEGMENT // 8  # bytes that are worth a segment of their own
_LITTLE = SEGMENT // 2  # bytes that are asked for as long as there come fewer: malloc(3) need not map them
_KEPT = [f"kept{slot}" for slot in range(WINDOW)]  # the names of the files that a writer keeps
_TOO_MANY = f"mnt: more than {WINDOW} segments"
_NAME = 16  # bytes of a short name in an event
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Reader:
    """Takes bytes out of the segments, and gives the space back."""

    def __init__(self, folder: int) -> None:
        """Begin with segment 0 in the folder of a descriptor."""
        self._folder = folder
        self._number = -1
        self._newest = 0  # the last segment that is known to be there: what is before it gets no more bytes
        self._fd = -1
        self._size = 0  # bytes read of this segment
        self._most = _LITTLE  # bytes that the next read asks for
        self._fault: Broken | None = None  # what is wrong with what comes next
        self.more = False  # whether `take` left something of which no event will tell
        self._advance()

    def take(self) -> bytes:
        """Return the next bytes that are there, of more than one segment if these are small; b"" if none are.

        Raises:
            Broken: a segment is no regular file or cannot be read, or the writer went beyond its bounds.
        """
        if self._fault is not None:
            raise self._fault
        taken = b""
        try:
            while self._fd >= 0 or self._open():
                last = self._number >= self._newest
                asked = min(self._most, SEGMENT + 1 - self._size)
                data = os.read(self._fd, asked)
                self._size += len(data)
                if self._size > SEGMENT:
                    raise Broken(f"mnt: segment {self._number} is larger than {SEGMENT} bytes")
                full = self._size == SEGMENT
                cut = len(data) == asked and not full
                if full or not (last or cut):
                    self._remove()
                if data:
                    self._most = _LITTLE if len(data) < _LITTLE else SEGMENT + 1
                    taken = taken + data if taken else data
                    self.more = cut or self._number + (self._fd >= 0) <= self._newest
                    if not self.more or len(taken) >= SEGMENT:
                        break
                elif last:
                    break
        except Broken as error:
            self._fault = error
        except OSError as error:
            self._fault = Broken(f"mnt: segment {self._number}: {error.strerror}")
        if self._fault is not None:
            if not taken:
                raise self._fault
            self.more = True  # what came before it is handed out first
        return taken

    def look(self) -> None:
        """Look for the last segment that is there."""
        number = self._number
        while number < self._number + WINDOW and exists(str(number + 1), self._folder):
            number += 1
        self._newest = max(self._newest, number)

    def hear(self, number: int) -> str | None:
        """Be told by an event of a segment that is there; as `overrun`."""
        self._newest = max(self._newest, number)
        # one more than the window: the segment that is read may be gone already
        return _TOO_MANY if number > self._number + WINDOW else None

    def overrun(self, grown: bool) -> str | None:
        """Say how the writer went beyond its bounds, where this can be seen without reading.

        Args:
            grown: whether bytes were added to the segment that is read.
        """
        number, last = self._number, self._number + WINDOW
        # in this order: the reader may be removing that segment, which allows the other
        if self._newest >= last and exists(str(last), self._folder) and exists(str(number), self._folder):
            return _TOO_MANY
        with contextlib.suppress(OSError):
            if grown and os.stat(str(number), dir_fd=self._folder, follow_symlinks=False).st_size > SEGMENT:
                return f"mnt: segment {number} is larger than {SEGMENT} bytes"
        return None

    def close(self) -> None:
        """Close the segment."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        try:
            self._fd = os.open(str(self._number), _READ, dir_fd=self._folder)
        except FileNotFoundError:
            return False
        self._size = 0
        try:
            os.lseek(self._fd, 0, os.SEEK_CUR)  # the cheapest way to tell; and a folder cannot be read
        except OSError:
            raise Broken(f"mnt: segment {self._number} is not a regular file") from None
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
    """Puts bytes into segments, at most WINDOW of them ahead of the reader.

    A little is appended to the last segment. Much is written out of sight into one of WINDOW files that the writer
    keeps, and gets its number as a second name: the reader sees all of it at once, and what it removes is that name.
    """

    def __init__(self, folder: int, opened: str) -> None:
        """Begin with segment 0.

        Args:
            folder: a descriptor of the folder of the segments.
            opened: a name in the folder above, for as long as it takes to open a file.
        """
        self._folder, self._opened = folder, opened
        self._number = -1
        self._fd = -1
        self._room = 0  # bytes that still go into this segment
        self._files = [-1] * WINDOW  # those that are kept: segment n may be the one of n % WINDOW
        self._sizes = [0] * WINDOW
        self._keeps = True  # whether there are such files here
        self.full = False  # whether the file system had no room for the last bytes put

    def put(self, data: Buffer) -> int:
        """Write what the window and the file system take, and return how many bytes that was.

        Raises:
            Broken: the folder is gone, or writing failed for another reason than a full disk.
        """
        done, size = 0, len(data)
        self.full = False
        try:
            if size < self._room and size < _MUCH:  # most often
                done = os.write(self._fd, data)
                self._room -= done
            while done < size:
                rest = memoryview(data)[done:]
                much = self._keeps and len(rest) >= _MUCH
                if much:
                    self._leave()
                if self.blocked():
                    break
                done += self._whole(rest) if much else self._append(rest)
        except OSError as error:
            if error.errno not in _FULL:
                number = self._number + (not self._room)  # without room it was the next one
                raise Broken(f"mnt: cannot write segment {number}: {error.strerror}") from None
            self.full = True
            self._give_back()
        return done

    def blocked(self) -> bool:
        """Whether the reader must remove a segment before more can be written."""
        oldest = self._number + 1 - WINDOW
        return not self._room and oldest >= 0 and exists(str(oldest), self._folder)

    def finish(self) -> bool:
        """Say that no more will come; return False if the file system has no room even for that.

        Raises:
            Broken: the folder is gone, or something else stands there.
        """
        self._give_back()
        try:
            os.close(os.open("end", _WRITE, 0o644, dir_fd=self._folder))
        except OSError as error:
            if error.errno in _FULL:
                return False
            raise Broken(f"mnt: cannot write the end: {error.strerror}") from None
        return True

    def close(self) -> None:
        """Close all segments."""
        self._leave()
        for fd in self._files:
            if fd >= 0:
                os.close(fd)
        self._files, self._sizes = [-1] * WINDOW, [0] * WINDOW

    def _give_back(self) -> None:
        """Keep no files: what of them is a segment lives on under its number."""
        for slot, fd in enumerate(self._files):
            if fd >= 0:
                os.close(fd)
                self._files[slot], self._sizes[slot] = -1, 0
                with contextlib.suppress(OSError):
                    os.unlink(_KEPT[slot], dir_fd=self._folder)

    def _leave(self) -> None:
        """Close the segment that was appended to."""
        self._room = 0
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, data: memoryview) -> int:
        number = self._number + 1
        if not self._room:
            slot = number % WINDOW
            if self._sizes[slot]:  # or there would be twice the window on the disk
                os.ftruncate(self._files[slot], 0)
                self._sizes[slot] = 0
            self._fd = os.open(str(number), _WRITE, 0o644, dir_fd=self._folder)
            self._number, self._room = number, SEGMENT
        written = os.write(self._fd, data[: self._room])
        self._room -= written
        if not self._room:
            self._leave()  # now: its event comes with that of the bytes
        return written

    def _whole(self, data: memoryview) -> int:
        number = self._number + 1
        slot = number % WINDOW
        name = _KEPT[slot]
        if self._files[slot] < 0:
            try:
                self._files[slot] = self._keep(name)
            except OSError as error:
                if error.errno in _FULL:
                    raise
                self._keeps = False  # no link(2), no more descriptors, or the name is taken: it goes without
                return self._append(data)
        fd = self._files[slot]
        written = os.pwrite(fd, data[:SEGMENT], 0)
        if written < self._sizes[slot]:
            os.ftruncate(fd, written)
        self._sizes[slot] = written
        os.link(name, str(number), src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
        self._number = number
        return written

    def _keep(self, name: str) -> int:
        """Make an empty file, opened in another folder, so that no event tells of what is written there."""
        opened = f"../{self._opened}"
        fd = os.open(opened, _WRITE, 0o644, dir_fd=self._folder)
        try:
            os.link(opened, name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
        except OSError:
            os.close(fd)
            raise
        finally:
            with contextlib.suppress(OSError):  # removed already, with all of the stream
                os.unlink(opened, dir_fd=self._folder)
        return fd
