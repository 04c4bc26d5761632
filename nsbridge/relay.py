"""Joins two streams: bytes, ends and breaks both ways; knows no medium and no namespace."""

from __future__ import annotations

import threading

from nsbridge.errors import StreamError
from nsbridge.media.base import Done, Stream


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
