"""The client: what is typed goes out, what comes back is shown. Runs in container A; knows no bridge.

Lines mode holds what comes back against what was sent; raw mode carries bytes to any service.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.base import Buffer, Stream
from nsbridge.media.table import medium

CHUNK = 65536
PROMPT = "> "
PATIENCE = 2.0  # seconds that a person waits for an echo before the next prompt


class Outstanding:
    """What was sent and has not come back; shows what comes. A sink for the stream's answers."""

    def __init__(self, *, echo: bool) -> None:
        """Hold the answers against what was sent if `echo`, else just show them."""
        self._echo = echo
        self._sent = bytearray()
        self._lines = 0  # lines that came back
        self._changed = threading.Condition()

    def add(self, data: bytes) -> None:
        """Expect `data` to come back."""
        if self._echo:
            with self._changed:
                self._sent += data

    def offer(self, data: Buffer) -> int:
        """See Sink."""
        self.write(data)
        return len(data)

    def write(self, data: Buffer) -> None:
        """Show what came back.

        Raises:
            StreamError: it is not what was sent.
        """
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]
        if not self._echo:
            return
        with self._changed:
            if self._sent[: len(data)] != data:
                raise StreamError(f"line {self._lines + 1} came back changed")
            del self._sent[: len(data)]
            self._lines += bytes(data).count(b"\n")
            self._changed.notify_all()

    def end(self) -> None:
        """See Sink."""

    def abort(self) -> None:
        """See Sink."""

    def wait(self) -> None:
        """Wait, for a person's patience, until all has come back."""
        with self._changed:
            self._changed.wait_for(lambda: not self._sent, PATIENCE)

    def missing(self) -> str | None:
        """Name the lines that did not come back; None if all did."""
        with self._changed:
            if not self._sent:
                return None
            lines = bytes(self._sent).splitlines()
            numbers = f"line {self._lines + 1}"
            if len(lines) > 1:
                numbers = f"lines {self._lines + 1} to {self._lines + len(lines)}"
            return f"{numbers} did not come back, beginning with {lines[0][:60].decode(errors='backslashreplace')!r}"


def _finish(outstanding: Outstanding, reason: str | None) -> NoReturn:
    """End the process, from whichever thread saw the end first: another may be waiting for a key."""
    faults = [fault for fault in (reason, outstanding.missing()) if fault]
    if faults:
        os.write(2, f"client: {'; '.join(faults)}\n".encode())
    os._exit(1 if faults else 0)


def converse(stream: Stream, *, raw: bool) -> None:
    """Carry standard input into the stream and its answers to standard output, up to both ends."""
    outstanding = Outstanding(echo=not raw)

    def done(reason: str | None) -> None:
        stream.close()
        _finish(outstanding, reason)

    stream.carry(outstanding, done)
    source = _typed(outstanding) if sys.stdin.isatty() and not raw else iter(lambda: os.read(0, CHUNK), b"")
    try:
        for data in source:
            outstanding.add(data)
            stream.write(data)
        stream.end()
        threading.Event().wait()  # the thread that carries the answers ends the process
    except KeyboardInterrupt:
        stream.abort()
        os._exit(130)
    except StreamError as error:
        _finish(outstanding, str(error))


def _typed(outstanding: Outstanding) -> Iterator[bytes]:
    """Yield the lines that a person types, with history and editing."""
    import readline  # noqa: F401, PLC0415 — input() uses it from here on; only a terminal needs it

    while True:
        outstanding.wait()
        try:
            yield input(PROMPT).encode(errors="surrogateescape") + b"\n"
        except EOFError:
            print()
            return


def main(words: list[str]) -> int:
    """Talk to the endpoint given in words, with `--raw` before it or not."""
    raw = words[:1] == ["--raw"]
    try:
        converse(medium(*words[raw:]).connect(), raw=raw)
    except NsbridgeError as error:
        print(f"client: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
