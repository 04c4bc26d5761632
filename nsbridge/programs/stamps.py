"""Notes when bytes pass: a stream that remembers the moment of each write, and says them all at its end.

The clock is CLOCK_MONOTONIC, the same in every container (time namespaces aside), so the notes of several processes
can be laid side by side.

Source: clock_gettime(2).
"""

from __future__ import annotations

import json
import os
import time

from nsbridge.media.base import Buffer, Done, Sink, Stream

_clock = time.monotonic_ns


class Stamped(Stream):
    """A stream as another, with the times of its writes: nanoseconds when each began and when it was done."""

    def __init__(self, inner: Stream, name: str) -> None:
        """Stand before `inner`; `name` goes before the notes on standard error."""
        self._inner, self._name = inner, name
        self._notes: list[tuple[int, int]] = []

    def read(self) -> bytes:
        """See Stream."""
        return self._inner.read()

    def write(self, data: Buffer) -> None:
        """See Stream."""
        begin = _clock()
        self._inner.write(data)
        self._notes.append((begin, _clock()))

    def offer(self, data: Buffer) -> int:
        """See Stream."""
        begin = _clock()
        taken = self._inner.offer(data)
        self._notes.append((begin, _clock()))
        return taken

    def end(self) -> None:
        """See Stream."""
        self._inner.end()

    def abort(self) -> None:
        """See Stream."""
        self._inner.abort()

    def close(self) -> None:
        """Say the notes on standard error; see Stream."""
        self._inner.close()
        if self._notes:
            os.write(2, f"{json.dumps({'stamps': self._name, 'ns': self._notes})}\n".encode())
            self._notes = []

    def carry(self, sink: Sink, done: Done) -> None:
        """See Stream."""
        self._inner.carry(sink, done)
