"""Joins two streams: bytes, ends and breaks both ways; knows no kind of medium and no namespace."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nsbridge.errors import StreamError
from nsbridge.media.base import Done, Listener, Medium, Stream, serve, spawn


class Relay:
    """Two streams that are carried into each other until both directions are done; then both are closed."""

    def __init__(self, a: Stream, b: Stream, done: Done) -> None:
        """Begin to carry, and return at once.

        Args:
            a: one stream.
            b: the other.
            done: called once at the very end, with None or the reason of a break.
        """
        self._streams = a, b
        self._done = done
        self._lock = threading.Lock()
        self._left = 2
        self._reason: str | None = None
        for source, sink in ((a, b), (b, a)):
            try:
                source.carry(sink, self._direction_done)
            except StreamError as error:
                a.abort()
                b.abort()
                self._direction_done(str(error))

    def _direction_done(self, reason: str | None) -> None:
        with self._lock:
            self._left -= 1
            self._reason = self._reason or reason
            if self._left:
                return
        for stream in self._streams:
            stream.close()
        self._done(self._reason)


def serve_through(
    listener: Listener,
    server: Medium,
    say: Callable[[str], None],
    relay: Callable[[Stream, Stream, Done], object] = Relay,
) -> None:
    """Open a stream to `server` for each that comes, and relay the two, until the listener is closed.

    Args:
        listener: accepts the streams.
        server: where a stream is opened for each.
        say: is told once of each stream that was turned away, or broke.
        relay: joins two streams.
    """

    def turned_away(reason: object) -> None:
        say(f"a stream was turned away: {reason}")

    def join(stream: Stream) -> None:
        try:
            relay(stream, server.connect(), lambda reason: say(f"a stream broke: {reason}") if reason else None)
        except StreamError as error:
            turned_away(error)
            stream.close()

    serve(listener, lambda stream: spawn(join, stream), turned_away)
