"""Carries a stream's bytes from the thread that brings the news of them; knows no medium.

Only a sink that is behind costs a thread, which waits for it and then hands the stream back.
"""

from __future__ import annotations

import threading
from typing import Protocol

from nsbridge.errors import Broken, StreamError
from nsbridge.media.base import Done, Sink, spawn


class Source(Protocol):
    """A stream that can be read without waiting."""

    dirty: bool
    """Whether there may be something to take."""

    @property
    def ended(self) -> bool:
        """Whether the end has been taken."""

    def take(self) -> bytes:
        """Return what is there, perhaps nothing; Broken as `Stream.read`."""

    def abort(self) -> None:
        """See Stream."""


class Flow:
    """What is carried from one source into one sink."""

    def __init__(self, source: Source, sink: Sink, done: Done) -> None:
        """Prepare; `kick` begins. `done` is called once, as `Stream.carry` says."""
        self._source, self._sink, self._done = source, sink, done
        self._busy = threading.Lock()
        self._stopped = False
        self.behind = False  # whether a thread waits for the sink

    def kick(self) -> None:
        """Carry what is there, unless another thread is at it (which then looks again); do not wait."""
        while self._source.dirty and not self._stopped and self._busy.acquire(False):
            if not self._stopped and (rest := self._carry_on()):
                self.behind = True
                try:
                    spawn(self._catch_up, rest)
                except Broken as error:
                    self._fail(error)
                else:
                    return
            self._busy.release()

    def _carry_on(self) -> bytes:
        """Carry without waiting; return what the sink did not take."""
        try:
            data = self._source.take()
            if data and (taken := self._sink.offer(data)) < len(data):
                return data[taken:]
            if self._source.ended:
                self._sink.end()
                self._stop(None)
        except StreamError as error:
            self._fail(error)
        return b""

    def _catch_up(self, rest: bytes) -> None:
        """Wait for the sink in a thread of its own, then hand the stream back."""
        try:
            while rest:
                self._sink.write(rest)
                rest = self._source.take() if self._source.dirty else b""
            if self._source.ended:
                self._source.dirty = True
        except StreamError as error:
            self._fail(error)
        self.behind = False
        self._busy.release()
        self.kick()

    def _fail(self, error: StreamError) -> None:
        self._stop(str(error))  # first, as `pump` does
        self._source.abort()
        self._sink.abort()

    def _stop(self, reason: str | None) -> None:
        self._stopped = True
        self._done(reason)
