"""The client: what is typed goes out, what comes back is shown. Runs in container A; knows no bridge.

Lines mode awaits the echo of all that it sends: when the stream breaks it opens another and sends again what has not
come back, so that each echo is shown once. Raw mode carries bytes to any service, and a break is the end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

from nsbridge.errors import NsbridgeError, Refused, StreamError
from nsbridge.media.base import Buffer, Medium, Stream, spawn
from nsbridge.media.table import medium
from nsbridge.programs.outstanding import Outstanding

CHUNK = 65536
PROMPT = "> "
PROMPTLY = 2.0  # seconds that a person waits for an echo before the next prompt
PATIENCE = 10.0  # seconds after a break in which a new stream must open
SILENCE = 15.0  # seconds without any echo after which what is awaited is given up
_STEP = 0.02  # seconds between two tries to open it
_GLANCE = 0.5  # seconds between two looks at what has come
_BROKEN_IS_MENDED = suppress(StreamError)  # by the thread that listens, which sees the break as well


class Output:
    """Standard output, as a sink."""

    def write(self, data: Buffer) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def offer(self, data: Buffer) -> int:
        """Write all of it; a terminal that is behind is waited for."""
        self.write(data)
        return len(data)

    def end(self) -> None:
        """See Sink."""

    def abort(self) -> None:
        """See Sink."""


class Echoes(Output):
    """Standard output for what was awaited, and for nothing else."""

    def __init__(self, outstanding: Outstanding) -> None:
        """Hold what comes against `outstanding`."""
        self._outstanding = outstanding

    def write(self, data: Buffer) -> None:
        """Write it, if it is what was sent."""
        self._outstanding.check(data)
        super().write(data)
        self._outstanding.settle(data)  # only now: who waits for it goes on with a prompt


class Conversation:
    """Lines that go out, and come back through as many streams as it takes."""

    def __init__(self, endpoint: Medium) -> None:
        """Open the first stream, or end the process if nobody serves the endpoint."""
        self._endpoint = endpoint
        self._outstanding = Outstanding()
        self._sending = threading.Lock()  # held by who writes to the stream, or replaces it
        self._ended = False
        self._stream = self._open()
        self._listen()
        spawn(self._await_echoes)

    def send(self, data: bytes) -> None:
        """Send, and await it back; a break is mended behind the scenes."""
        with self._sending:
            self._outstanding.add(data)
            with _BROKEN_IS_MENDED:
                self._stream.write(data)

    def end(self) -> None:
        """Send no more."""
        with self._sending:
            self._ended = True
            with _BROKEN_IS_MENDED:
                self._stream.end()

    def wait(self) -> None:
        """Give what was sent the time that a person gives it."""
        self._outstanding.wait(PROMPTLY)

    def _listen(self) -> None:
        stream = self._stream
        # in a thread of its own: what carries must not wait
        stream.carry(Echoes(self._outstanding), lambda reason: spawn(self._stopped, stream, reason))

    def _await_echoes(self) -> None:
        """End the process when nothing has come for too long: a part may be stopped or lack room, and not be dead."""
        last, since = None, 0.0
        while True:
            now = self._outstanding.progress()
            if now is None or now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > SILENCE:
                _finish(f"no echo for {SILENCE:.0f} s; {self._outstanding.missing() or ''}")
            time.sleep(_GLANCE)

    def _stopped(self, stream: Stream, reason: str | None) -> None:
        """Finish, or go on with another stream."""
        stream.close()
        if reason is None and self._ended and self._outstanding.missing() is None:
            _finish(None)
        if reason is not None and reason.endswith("came back changed"):
            _finish(reason)
        with self._sending:
            time.sleep(_STEP)  # each may open, only to break at once
            self._stream = self._open()
            self._listen()
            with _BROKEN_IS_MENDED:
                self._stream.write(self._outstanding.rest())
                if self._ended:
                    self._stream.end()

    def _open(self) -> Stream:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._endpoint.connect()
            except Refused as error:
                if time.monotonic() > deadline:
                    _finish(f"{error}, for {PATIENCE:.0f} s; {self._outstanding.missing() or ''}")
            time.sleep(_STEP)


def _finish(fault: str | None) -> NoReturn:
    """End the process, from whichever thread saw the end first: another may be waiting for a key."""
    if fault:
        os.write(2, f"client: {fault.rstrip('; ')}\n".encode())
    os._exit(1 if fault else 0)


def converse(endpoint: Medium) -> None:
    """Send lines from standard input and show their echoes."""
    conversation = Conversation(endpoint)
    for data in _typed(conversation) if sys.stdin.isatty() and sys.stdout.isatty() else _input():
        conversation.send(data)
    conversation.end()
    threading.Event().wait()  # the thread that listens ends the process


def carry_raw(endpoint: Medium) -> None:
    """Carry standard input into a stream and its answers to standard output, up to both ends."""
    stream = endpoint.connect()

    def done(reason: str | None) -> None:
        stream.close()
        _finish(reason)

    stream.carry(Output(), done)
    for data in _input():
        stream.write(data)
    stream.end()
    threading.Event().wait()


def _input() -> Iterator[bytes]:
    return iter(lambda: os.read(0, CHUNK), b"")


def _typed(conversation: Conversation) -> Iterator[bytes]:
    """Yield the lines that a person types, with history and editing."""
    import readline  # noqa: F401, PLC0415 — input() uses it from here on; only a terminal needs it

    while True:
        conversation.wait()
        try:
            yield input(PROMPT).encode(errors="surrogateescape") + b"\n"
        except EOFError:
            print()
            return


def main(words: list[str]) -> int:
    """Talk to the endpoint given in words, with `--raw` before it or not."""
    # the kernel may hand Ctrl-C to any thread, and an exception would wait for the one that waits for a key
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raw = words[:1] == ["--raw"]
    try:
        (carry_raw if raw else converse)(medium(*words[raw:]))
    except NsbridgeError as error:
        print(f"client: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
