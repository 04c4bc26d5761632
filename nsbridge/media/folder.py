"""One stream in one folder, with inotify to wake who waits; does not know how streams are opened.

Source: inotify(7), flock(2). See docs/wire-mnt.md.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable

from nsbridge.errors import Broken, StreamError
from nsbridge.media import inotify
from nsbridge.media.base import Buffer, Done, Ends, Sink, Stream, spawn
from nsbridge.media.hub import Hub
from nsbridge.media.segments import SEGMENT, Reader, Writer

_INCOMING = inotify.MODIFY | inotify.CREATE | inotify.MOVED_TO | inotify.CLOSE_WRITE | inotify.DELETE_SELF
_OUTGOING = inotify.DELETE | inotify.DELETE_SELF  # the first is there to wake a writer
_CREATED = inotify.CREATE | inotify.MOVED_TO
_CLOSED = inotify.CLOSE_WRITE
_GONE = inotify.DELETE_SELF | inotify.IGNORED | inotify.UNMOUNT
_RARE = _CREATED | _CLOSED | _GONE
_RETRY = 0.01  # seconds; the kernel tells nobody that a full disk has room again


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


class MntStream(Stream):
    """The two directions of one stream."""

    def __init__(
        self, folder: str, hub: Hub, *, lock: int | None, closed: Callable[[MntStream], None] = lambda _: None
    ) -> None:
        """Join the stream in `folder`: as its opener, who holds `lock`, or as its listener with `lock` None.

        Raises:
            Broken: the folder lacks `up` or `down`, or is gone.
        """
        self._folder, self._hub, self._lock, self._on_closed = folder, hub, lock, closed
        self._listening = lock is None
        incoming, outgoing = ("up", "down") if self._listening else ("down", "up")
        self._in = f"{folder}/{incoming}"
        self._reader, self._writer = Reader(self._in), Writer(f"{folder}/{outgoing}")
        self._ends = Ends()
        self._dirty = True  # there may be something to take
        self._created, self._looked = 1, 0  # files that came, and those behind which nothing is left
        self._end_seen = self._orphaned = self._closed = self._released = False
        self._flow: tuple[Sink, Done] | None = None
        self._flowing = threading.Lock()
        self._watches = [hub.add(self._in, _INCOMING, self), hub.add(f"{folder}/{outgoing}", _OUTGOING, self)]
        self._promised = self._listening and os.path.lexists(f"{self._in}/lock")
        self.rescan()

    def read(self) -> bytes:
        """Wait for bytes; see Stream."""
        while not self._ends.received:
            if data := self._take():
                return data
            if not self._ends.received:
                self._hub.wait(lambda: self._dirty or self._ends.broken is not None)
        return b""

    def write(self, data: Buffer) -> None:
        """Append the data, waiting while the window is full or the disk is; see Stream."""
        done = self.offer(data)
        while done < len(data):
            if self._writer.full:
                time.sleep(_RETRY)
            else:
                self._hub.wait(lambda: self._ends.broken is not None or not self._writer.blocked())
            done += self.offer(memoryview(data)[done:])

    def offer(self, data: Buffer) -> int:
        """Append what the window has room for; see Stream."""
        self._ends.check()
        try:
            return self._writer.put(data)
        except Broken as error:
            raise self._lose(str(error)) from None

    def end(self) -> None:
        """Make the file `end`; see Stream."""
        if self._ends.sent or self._ends.broken is not None:
            return
        self._ends.sent = True  # before the other side can see it and close
        try:
            self._writer.finish()
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
        self._flow = sink, done
        self._hub.serve()
        self._kick()

    def event(self, mask: int, name: bytes) -> bool:
        """See Watch."""
        if mask & _RARE:
            self._rare(mask, name)
        self._dirty = True
        self._kick()
        return self._flow is None or bool(mask & inotify.DELETE)  # a reader, or a writer whose window was full

    def _rare(self, mask: int, name: bytes) -> None:
        if mask & _GONE:
            self._gone()
        elif name == b"lock" and mask & _CLOSED and self._promised:
            self.rescan()
        elif mask & _CREATED:
            self._created += 1
            self._end_seen |= name == b"end"

    def rescan(self) -> None:
        """See Watch."""
        self._end_seen = os.path.lexists(f"{self._in}/end") or self._end_seen
        self._dirty = True
        self._created += 1
        if self._promised and not held(f"{self._in}/lock"):
            self.orphan()
        self._kick()

    def orphan(self) -> None:
        """The process on the other side has closed, or is gone: what it left is read, then that is it."""
        self._orphaned = self._dirty = True
        if self._ends.sent and self._ends.received:
            if self._closed:
                self._release()
        elif self._ends.received:
            self._lose("mnt: the process on the other side is gone")
        self._kick()

    def _take(self) -> bytes:
        """Return what is there, without waiting."""
        self._ends.check()
        self._dirty = False  # first: an event may come at any time
        created, ending, orphaned = self._created, self._end_seen, self._orphaned
        try:
            data = self._reader.take()
        except Broken as error:
            raise self._lose(str(error)) from None
        if data:
            # a short read took all of the segment; of what comes later an event tells
            if created != self._looked or ending or orphaned or len(data) == SEGMENT:
                self._dirty = True
            return data
        self._looked = created
        if ending:
            self._ends.received = True
            if orphaned and not self._ends.sent:
                raise self._lose("mnt: the process on the other side is gone")
        elif orphaned:
            raise self._lose("mnt: the process on the other side is gone")
        return data

    def _kick(self) -> None:
        """Carry what is there, unless another thread is at it (which then looks again)."""
        while self._flow is not None and self._dirty and self._flowing.acquire(blocking=False):
            flow = self._flow
            if rest := self._carry_on(*flow):
                spawn(self._catch_up, rest, *flow)
                return
            self._flowing.release()

    def _carry_on(self, sink: Sink, done: Done) -> bytes:
        """Carry without waiting; return what the sink did not take."""
        try:
            data = self._take()
            if data and (taken := sink.offer(data)) < len(data):
                return data[taken:]
            if self._ends.received:
                sink.end()
                self._stop(done, None)
        except StreamError as error:
            self.abort()
            sink.abort()
            self._stop(done, str(error))
        return b""

    def _catch_up(self, rest: bytes, sink: Sink, done: Done) -> None:
        """Wait for the sink in a thread of its own, then hand the stream back."""
        try:
            while rest:
                sink.write(rest)
                rest = self._take() if self._dirty else b""
            self._dirty = self._dirty or self._ends.received
        except StreamError as error:
            self.abort()
            sink.abort()
            self._stop(done, str(error))
        self._flowing.release()
        self._kick()

    def _stop(self, done: Done, reason: str | None) -> None:
        self._flow = None
        done(reason)

    def _gone(self) -> None:
        if not self._ends.clean:
            self._lose("mnt: the other side broke the stream off")
        elif self._closed:
            self._release()

    def _lose(self, reason: str) -> Broken:
        """Break the stream, and wake whoever waits on it."""
        if self._ends.broken is None:
            self._ends.broken = reason
            shutil.rmtree(self._folder, ignore_errors=True)
            self._dirty = True
            self._hub.wake()
            self._kick()
        return Broken(self._ends.broken)

    def _release(self) -> None:
        """Give back watches, descriptors, and (as the listener) the folder."""
        if self._released:
            return
        self._released = True
        for wd in self._watches:
            self._hub.remove(wd)
        self._reader.close()
        self._writer.close()
        if self._lock is not None:
            os.close(self._lock)
        if self._listening:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._on_closed(self)
