"""What a client has sent and not got back yet; does no input or output."""

from __future__ import annotations

import threading

from nsbridge.errors import StreamError
from nsbridge.media.base import Buffer


class Outstanding:
    """The bytes whose echoes are awaited, in their order, and the lines among them by number."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._sent = bytearray()
        self._lines = 0  # lines that came back
        self._came = 0  # bytes that came back
        self._showing = False
        self._changed = threading.Condition()

    def add(self, data: bytes) -> None:
        """Expect `data` to come back."""
        with self._changed:
            self._sent += data

    def check(self, data: Buffer) -> None:
        """Hold what came back against what is awaited.

        Raises:
            StreamError: it is not what was sent.
        """
        with self._changed:
            awaited = bytes(self._sent[: len(data)])
            if awaited != data:
                same = next((place for place, byte in enumerate(awaited) if byte != data[place]), len(awaited))
                line = self._lines + awaited.count(b"\n", 0, same) + 1
                raise StreamError(f"line {line} came back changed")
            self._showing = True

    def settle(self, data: Buffer) -> None:
        """Await no longer what has come back."""
        with self._changed:
            del self._sent[: len(data)]
            self._lines += bytes(data).count(b"\n")
            self._came += len(data)
            self._showing = False
            self._changed.notify_all()

    def progress(self) -> int | None:
        """Return how many bytes have come back; None while no more are awaited, or somebody takes time to look."""
        with self._changed:
            return self._came if self._sent and not self._showing else None

    def rest(self) -> bytes:
        """Return what has not come back."""
        with self._changed:
            return bytes(self._sent)

    def wait(self, seconds: float) -> None:
        """Wait until all has come back, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._sent, seconds)

    def missing(self) -> str | None:
        """Name the lines that have not come back; None if all have."""
        rest = self.rest()
        if not rest:
            return None
        lines = rest.removesuffix(b"\n").split(b"\n")
        numbers = f"line {self._lines + 1}"
        if len(lines) > 1:
            numbers = f"lines {self._lines + 1} to {self._lines + len(lines)}"
        return f"{numbers} did not come back, beginning with {lines[0][:60].decode(errors='backslashreplace')!r}"
