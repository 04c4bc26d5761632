"""One stream in one folder, with inotify to wake who waits; does not know how streams are opened.

Source: inotify(7), flock(2). See docs/wire-mnt.md.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from nsbridge.errors import Broken
from nsbridge.media import inotify
from nsbridge.media.base import Buffer, Done, Ends, Sink, Stream, spawn
from nsbridge.media.flow import Flow
from nsbridge.media.hub import Hub, Watch
from nsbridge.media.places import exists, held, open_parts, remove, wait_until_free
from nsbridge.media.segments import Reader, Writer

_INCOMING = inotify.MODIFY | inotify.CREATE | inotify.MOVED_TO | inotify.CLOSE_WRITE
_OUTGOING = inotify.DELETE  # wakes a writer
_LEFT = inotify.DELETE | inotify.MOVED_FROM
_WHOLE = _LEFT | inotify.DELETE_SELF | inotify.MOVE_SELF  # the break; what is still open has no event of its own
_NEWS = inotify.MODIFY | inotify.CREATE | inotify.MOVED_TO  # a new one may be a folder or a FIFO, which gets no byte
_GONE = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.IGNORED | inotify.UNMOUNT
_RETRY = 0.01  # seconds; the kernel tells nobody that a full disk has room again
_LOST = "mnt: the process on the other side is gone"
_BROKEN = "mnt: the other side broke the stream off"


class MntStream(Stream, Watch):
    """The two directions of one stream."""

    def __init__(
        self, folder: str, hub: Hub, *, lock: int | None, closed: Callable[[MntStream], None] = lambda _: None
    ) -> None:
        """Join the stream in `folder`: as its opener, taking over `lock`, or as its listener with `lock` None.

        Raises:
            Broken: the folder lacks `up` or `down`, or is gone.
        """
        self._folder, self._hub, self._lock, self._on_closed = folder, hub, lock, closed
        self._listening = lock is None
        names = ("up", "down") if self._listening else ("down", "up")
        try:
            self._parts = open_parts(folder, *names)
        except Broken:
            if lock is not None:
                os.close(lock)
            raise
        self._reader, self._writer = Reader(self._parts[0]), Writer(self._parts[1], f"{names[1]}-opened")
        self._in, self._out = (f"{folder}/{name}" for name in names)
        self._ends = Ends()
        self.dirty = True  # there may be something to take
        self._grown = False  # whether bytes were added to the segment that is read
        self._end_seen = self._orphaned = self._closed = False
        self._flow: Flow | None = None
        self._released = threading.Lock()
        self._watches: list[int] = []
        self._room = Watch()  # wakes who waits for room, and does nothing else
        self._promised = False  # events come from the first watch on
        try:
            self._watches.append(hub.add(folder, _WHOLE, self))
            self._watches.append(hub.add(self._in, _INCOMING, self))
        except Broken:
            self._release()
            raise
        self._promised = self._listening and exists("lock", self._parts[0])
        self.rescan()

    def read(self) -> bytes:
        """Wait for bytes; see Stream."""
        while not self._ends.received:
            if self.dirty and (data := self.take()):
                return data
            if not self._ends.received:
                self._hub.wait(self, lambda: self.dirty or self._ends.broken is not None)
        return b""

    def write(self, data: Buffer) -> None:
        """Append the data, waiting while the window is full or the disk is; see Stream."""
        done = self.offer(data)
        while done < len(data):
            if self._writer.full:
                time.sleep(_RETRY)
            else:
                self._await_room()
            done += self.offer(memoryview(data)[done:])

    def offer(self, data: Buffer) -> int:
        """Append what the window has room for; see Stream."""
        if self._ends.broken is not None:
            self._ends.check()
        if self._orphaned:
            raise self._lose(_LOST)
        try:
            return self._writer.put(data)
        except Broken as error:
            raise self._lose(str(error)) from None

    def end(self) -> None:
        """Make the file `end`; see Stream."""
        if self._ends.sent:
            return
        self._ends.check()
        self._ends.sent = True  # before the other side can see it and close
        try:
            if not self._writer.finish():
                spawn(self._finish)
        except Broken as error:
            raise self._lose(str(error)) from None

    def abort(self) -> None:
        """Remove the folder; see Stream."""
        if not self._ends.clean:
            self._lose("the stream was broken off")

    def close(self) -> None:
        """See Stream. The listener keeps the folder until the opener lets its lock go: it may still read."""
        if self._closed:
            return
        self._closed = True
        self.abort()
        if not self._listening or self._orphaned or self._ends.broken is not None:
            self._release()

    def carry(self, sink: Sink, done: Done) -> None:
        """Let the thread that reads the events carry; only a sink that is behind gets one of its own."""
        self._hub.serve()
        self._flow = Flow(self, sink, done)
        self._flow.kick()

    @property
    def ended(self) -> bool:
        """See Source."""
        return self._ends.received

    def take(self) -> bytes:
        """Return what is there, without waiting; see Source."""
        ends = self._ends
        if ends.broken is not None:
            ends.check()
        self.dirty = False  # first: an event may come at any time
        ending, orphaned = self._end_seen, self._orphaned
        try:
            data = self._reader.take()
        except Broken as error:
            raise self._lose(str(error)) from None
        if data:
            if self._reader.more or ending or orphaned:  # else an event tells of what comes later
                self.dirty = True
            return data
        if ending and not exists("end", self._parts[0]):  # segments may have been removed before they were read
            raise self._lose(_BROKEN)
        if ending:
            ends.received = True
        if orphaned and not ends.clean:
            raise self._lose(_LOST)
        return data

    def event(self, mask: int, name: bytes) -> None:
        """See Watch."""
        if mask & inotify.MODIFY and name == self._reader.name:
            self.dirty = self._grown = True
        else:
            self._other(mask, name.rstrip(b"\0"))

    def settle(self) -> None:
        """See Watch."""
        flow = self._flow
        if flow is not None:
            if flow.behind:
                self._hold_to_bounds()
            flow.kick()

    def rescan(self) -> None:
        """See Watch."""
        self._end_seen = exists("end", self._parts[0]) or self._end_seen
        self._reader.look()
        self.dirty = True
        if self._promised and not held(f"{self._in}/lock"):
            self.orphan()
        self._kick()

    def orphan(self) -> None:
        """The process on the other side has closed, or is gone: what it left is read, then that is it."""
        self._reader.look()  # the events may come yet
        self._orphaned = self.dirty = True
        if self._ends.sent and self._ends.received:
            if self._closed:
                self._release()
        elif self._ends.received:
            self._lose(_LOST)
        self._wake()
        self._kick()

    def _other(self, mask: int, name: bytes) -> None:
        """Heed what is no more than bytes in the segment that is read."""
        if mask & _GONE or (mask & _LEFT and name in (b"up", b"down")):
            if not self._ends.clean:
                self._lose(_BROKEN)
            self.orphan()
        elif name == b"lock":
            if mask & inotify.CLOSE_WRITE and self._promised and not self._orphaned:
                spawn(self._await_lock)
        elif name == b"end":
            self._end_seen = self.dirty = True
        elif mask & _NEWS and name.isdigit() and name == b"%d" % (number := int(name)):
            excess = self._reader.hear(number)
            self.dirty = True
            if excess:
                self._lose(excess)

    def _hold_to_bounds(self) -> None:
        """Break a stream that nobody reads just now, and whose writer goes on beyond its window."""
        excess = self._reader.overrun(self._grown)
        self._grown = False
        if excess:
            self._lose(excess)

    def _await_lock(self) -> None:
        wait_until_free(f"{self._in}/lock")
        self.orphan()

    def _await_room(self) -> None:
        """Wait for a freed segment, with a watch for just as long: each event of it would wake this process."""
        try:
            wd = self._hub.add(self._out, _OUTGOING, self._room)
        except Broken:  # there are no more watches, or the stream is being removed
            time.sleep(_RETRY)
            return
        try:
            self._hub.wait(self._room, self._may_write)
        finally:
            self._hub.remove(wd)

    def _may_write(self) -> bool:
        return self._ends.broken is not None or self._orphaned or not self._writer.blocked()

    def _finish(self) -> None:
        """Make `end` as soon as the disk has room."""
        try:
            # what was released has descriptors no more: their numbers may be another stream's
            while self._ends.broken is None and not self._released.locked() and not self._writer.finish():
                time.sleep(_RETRY)
        except Broken as error:
            self._lose(str(error))

    def _wake(self) -> None:
        for watch in (self, self._room):
            self._hub.wake(watch)

    def _kick(self) -> None:
        if self._flow is not None:
            self._flow.kick()

    def _lose(self, reason: str) -> Broken:
        """Break the stream, and wake whoever waits on it."""
        if self._ends.broken is None:
            self._ends.broken = reason
            remove(self._folder, self._parts)
            self.dirty = True
            self._wake()
            self._kick()
        return Broken(self._ends.broken)

    def _release(self) -> None:
        """Give back watches, descriptors, and (as the listener) the folder."""
        if not self._released.acquire(blocking=False):
            return
        for wd in self._watches:
            self._hub.remove(wd)
        if self._listening:
            remove(self._folder, self._parts)
        self._reader.close()
        self._writer.close()
        for fd in (*self._parts, *([] if self._lock is None else [self._lock])):
            os.close(fd)
        self._on_closed(self)
