"""A medium inside one process, scoped by nothing: the plainest form of the contract, and its reference in tests."""

from __future__ import annotations

import threading
from collections import deque

from nsbridge.errors import Broken, Refused, UsageError
from nsbridge.media.base import Buffer, Ends, Listener, Medium, Stream

WINDOW = 65536  # bytes that a direction holds


class _Direction:
    """Bytes on their way."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.ended = False


class MemoryStream(Stream):
    """One side of a pair that shares a condition and two directions."""

    def __init__(self, incoming: _Direction, outgoing: _Direction, changed: threading.Condition) -> None:
        """Take a side."""
        self._in, self._out, self._changed = incoming, outgoing, changed
        self._ends = Ends()
        self.peer: MemoryStream = self

    def read(self) -> bytes:
        """See Stream."""
        with self._changed:
            self._changed.wait_for(lambda: self._in.bytes or self._in.ended or self._ends.broken is not None)
            if not self._ends.received:
                self._ends.check()
            data = bytes(self._in.bytes)
            self._in.bytes.clear()
            self._ends.received = not data
            self._changed.notify_all()
            return data

    def write(self, data: Buffer) -> None:
        """See Stream."""
        view = memoryview(data)
        while view:
            taken = self.offer(view)
            view = view[taken:]
            with self._changed:
                self._changed.wait_for(lambda: len(self._out.bytes) < WINDOW or self._ends.broken is not None)

    def offer(self, data: Buffer) -> int:
        """See Stream."""
        with self._changed:
            self._ends.check()
            taken = min(len(data), WINDOW - len(self._out.bytes))
            self._out.bytes += memoryview(data)[:taken]
            self._changed.notify_all()
            return taken

    def end(self) -> None:
        """See Stream."""
        with self._changed:
            if not self._ends.sent:
                self._ends.check()
            self._ends.sent = self._out.ended = True
            self._changed.notify_all()

    def abort(self) -> None:
        """See Stream."""
        with self._changed:
            if not self._ends.clean:
                for side in (self, self.peer):
                    side._ends.broken = side._ends.broken or "the stream was broken off"
            self._changed.notify_all()

    def close(self) -> None:
        """See Stream."""
        self.abort()


class MemoryListener(Listener):
    """A queue of opened streams."""

    def __init__(self, medium: Memory) -> None:
        """Serve `medium`."""
        self._medium = medium
        self._changed = threading.Condition()
        self._opened: deque[MemoryStream] = deque()
        self._closed = False

    def put(self, stream: MemoryStream) -> None:
        """Take a stream that was opened."""
        with self._changed:
            self._opened.append(stream)
            self._changed.notify_all()

    def accept(self) -> MemoryStream:
        """See Listener."""
        with self._changed:
            self._changed.wait_for(lambda: self._opened or self._closed)
            if self._closed:
                raise Broken("memory: the listener was closed")
            return self._opened.popleft()

    def close(self) -> None:
        """See Listener."""
        with self._changed:
            self._closed = True
            self._medium.listener = None
            self._changed.notify_all()


class Memory(Medium):
    """A place in this process."""

    kind = "memory"

    def __init__(self) -> None:
        """Begin with nobody serving."""
        self.listener: MemoryListener | None = None

    def listen(self) -> MemoryListener:
        """See Medium."""
        if self.listener is not None:
            raise UsageError("this place in memory is served already; close that listener first")
        self.listener = MemoryListener(self)
        return self.listener

    def connect(self) -> MemoryStream:
        """See Medium."""
        if self.listener is None:
            raise Refused("nobody serves this place in memory")
        changed, up, down = threading.Condition(threading.RLock()), _Direction(), _Direction()
        here, there = MemoryStream(down, up, changed), MemoryStream(up, down, changed)
        here.peer, there.peer = there, here
        self.listener.put(there)
        return here

    def endpoint(self) -> dict[str, str | int]:
        """Return the medium's name."""
        return {"medium": "memory"}

    def close(self) -> None:
        """See Medium; there is nothing to give back."""
