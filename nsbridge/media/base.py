"""What a stream, a listener and a medium promise; knows no medium of its own.

A **stream** is one conversation: two directions of bytes, each in order, without loss or duplicate, each with
an end of its own. Message boundaries are nobody's business: what was written in one piece may be read in
several, and the other way round.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, Self

from nsbridge.errors import Broken, Refused, StreamError

Buffer = bytes | bytearray | memoryview
Done = Callable[[str | None], None]
SWITCH = 10.0
"""Seconds after which a thread asks for the interpreter's lock (sys.setswitchinterval) in a process of many streams.

Every thread lets it go by itself at its next system call; to ask every 5 ms costs more than all else if many wait.
"""


def spawn(function: Callable[..., Any], *args: object) -> None:
    """Run a function in a thread of its own that does not keep the process alive.

    Raises:
        Broken: the kernel has no more threads for this process.
    """
    try:
        threading.Thread(target=function, args=args, daemon=True).start()
    except RuntimeError as error:
        raise Broken(f"no more threads: {error}") from None


class Sink(Protocol):
    """Where bytes go: the writing half of a stream, or a file."""

    def write(self, data: Buffer) -> None:
        """Take all of the data, waiting while the reader is behind."""

    def offer(self, data: Buffer) -> int:
        """Take what fits without waiting, and say how many bytes that was."""

    def end(self) -> None:
        """Nothing more will be written."""

    def abort(self) -> None:
        """What was written is not whole, and nothing more will come."""


class Stream(ABC):
    """Both halves of one conversation. One thread reads and one writes; `abort` may come from any other."""

    @abstractmethod
    def read(self) -> bytes:
        """Wait for bytes and return them; `b""` at the other side's end, then and ever after.

        Raises:
            Broken: the other side is gone, or the stream was aborted by either side.
        """

    @abstractmethod
    def write(self, data: Buffer) -> None:
        """Hand all of the data to the medium; wait while the other side is a window behind.

        Raises:
            Broken: as `read`; how much of the data arrived is not known.
        """

    @abstractmethod
    def offer(self, data: Buffer) -> int:
        """As `write`, but never wait: return how many bytes were taken, from 0 to all."""

    @abstractmethod
    def end(self) -> None:
        """End this side's direction, without waiting; the other direction goes on. Again: no effect.

        Raises:
            Broken: as `write`: who ends a stream that broke must not take it for a clean one.
        """

    @abstractmethod
    def abort(self) -> None:
        """Break both directions, so that the other side cannot take it for an end. Wakes who waits here."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the stream holds; a stream whose two directions have not both ended is aborted."""

    def carry(self, sink: Sink, done: Done) -> None:
        """Carry what arrives here into `sink`, its end as an end and its break as a break; return at once.

        Each medium does it in the way that wakes the fewest threads; this one is a thread that waits in `read`.

        Args:
            sink: takes the bytes.
            done: called once when no more will be carried, with None or the reason of a break.
        """
        spawn(pump, self, sink, done)

    def __enter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()


def pump(source: Stream, sink: Sink, done: Done) -> None:
    """Carry bytes from `source` into `sink` until the end or a break; see `Stream.carry`."""
    try:
        while data := source.read():
            sink.write(data)
        sink.end()
    except StreamError as error:
        done(str(error))  # first: the other direction breaks with it, and knows less of the reason
        source.abort()
        sink.abort()
    else:
        done(None)


class Listener(ABC):
    """A place at which streams are accepted."""

    @abstractmethod
    def accept(self) -> Stream:
        """Wait for the next stream.

        Raises:
            Refused: what came is no stream, or there is no room for one; it was turned away.
            Broken: the listener was closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Accept no more; streams that were accepted live on."""

    def __enter__(self) -> Self:
        """Return the listener itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()


def serve(listener: Listener, handle: Callable[[Stream], object], say: Callable[[str], object]) -> None:
    """Hand each stream that comes to `handle`, until the listener is closed.

    Args:
        listener: accepts the streams.
        handle: takes a stream over and returns at once; if it raises StreamError the stream is closed.
        say: is told of each stream that was turned away.
    """
    while True:
        try:
            stream = listener.accept()
        except Refused as error:
            say(str(error))
            continue
        except Broken:
            return
        try:
            handle(stream)
        except StreamError as error:
            stream.close()
            say(str(error))


class Medium(ABC):
    """A way to carry streams that one kind of namespace scopes; made from an endpoint's fields."""

    kind: str

    @abstractmethod
    def listen(self) -> Listener:
        """Serve this endpoint; what an earlier, dead server left there is removed.

        Raises:
            UsageError: the endpoint is served already.
        """

    @abstractmethod
    def connect(self) -> Stream:
        """Open a stream to whoever serves this endpoint.

        Raises:
            Refused: nobody serves it.
        """

    @abstractmethod
    def endpoint(self) -> dict[str, str | int]:
        """Return the endpoint as `nsbridge status --json` shows it."""

    @abstractmethod
    def close(self) -> None:
        """Give back what this process holds for the endpoint; its listener and its streams are closed by then."""

    def __enter__(self) -> Self:
        """Return the medium itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()


class Ends:
    """How far a stream has come: its two ends, and its break."""

    def __init__(self) -> None:
        """Begin with both directions open."""
        self.sent = False
        self.received = False
        self.broken: str | None = None

    @property
    def clean(self) -> bool:
        """Whether both directions have ended and nothing broke."""
        return self.sent and self.received and self.broken is None

    def check(self) -> None:
        """Raise Broken if the stream broke."""
        if self.broken is not None:
            raise Broken(self.broken)
