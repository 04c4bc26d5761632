"""Talking through a lab with the real client, and noting what came back; knows no medium."""

from __future__ import annotations

import os
import select
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from nsbridge.errors import NsbridgeError, UsageError
from nsbridge.forms import Lines, Sheet, dim, mono, plain, strong
from nsbridge.lab import Lab
from nsbridge.labs import of_a_lab
from nsbridge.report.visible import visible

_PATIENCE = 12.0  # seconds for an echo: the client gives up before, and says why
_LONGEST = 36  # characters of a message that a table shows

HARD: dict[str, bytes] = {
    "an empty line": b"",
    "spaces kept": b"  two  words  ",
    "UTF-8": "für dich, žluťoučký kůň".encode(),
    "Chinese, Japanese, Korean": "雲端運算 クラウド 클라우드".encode(),
    "emoji": "🐧 → 🌉 → 🐳".encode(),
    "right to left": "שלום عالم".encode(),
    "NUL and other controls": b"a\x00b\x07c\x1b[1md",
    "bytes that are no UTF-8": b"\xff\xfe\x80",
    "8192 bytes, the usual msgmax": b"m" * 8192,
    "1 MiB": b"0123456789abcdef" * 65536,
}
"""Messages on which a bridge could stumble, each without the line's end."""


@dataclass(frozen=True)
class Echo:
    """A message, what came back for it, and the microseconds until it was there."""

    sent: bytes
    came: bytes
    us: float


class Conversation:
    """A client that runs in container A, into which lines are typed as by a person.

    Shows itself as the transcript so far. As a context manager it ends the client on the way out.
    """

    def __init__(self, lab: Lab) -> None:
        """Start the client."""
        self.pair = lab.pair
        self.echoes: list[Echo] = []
        self._client = subprocess.Popen(
            lab.client_argv(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # an interrupt of the notebook is none of its
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        """End the input, and wait for the client, unless something went wrong already."""
        if kind is None:
            self.close()
        else:
            self.kill()

    def say(self, *lines: str | bytes) -> Self:
        """Type lines, each once the echo of the one before is there.

        Raises:
            UsageError: the client has ended.
            NsbridgeError: an echo did not come.
        """
        for line in lines:
            if self._client.stdout is None or self._client.stdout.closed:
                raise UsageError("this client has ended; begin another conversation")
            sent = (line.encode() if isinstance(line, str) else line) + b"\n"
            start = time.perf_counter()
            if len(sent) <= select.PIPE_BUF:
                self._type(sent)
                came = self._read(len(sent))
            else:
                with ThreadPoolExecutor(1) as pool:  # what is long comes back while it is still being sent
                    pool.submit(self._type, sent)
                    came = self._read(len(sent))
            self.echoes.append(Echo(sent, came, (time.perf_counter() - start) * 1e6))
        return self

    def close(self) -> int:
        """End the input as Ctrl-D does, and return the client's exit status: 0 if all came back unchanged."""
        with suppress(OSError):  # it may be gone, and what was typed last with it
            if self._client.stdin is not None:
                self._client.stdin.close()
        status = self._client.wait(_PATIENCE)
        for pipe in (self._client.stdout, self._client.stderr):
            if pipe is not None:
                pipe.close()
        return status

    def kill(self) -> None:
        """End the client at once, whatever is outstanding."""
        self._client.kill()
        self.close()

    def __repr__(self) -> str:
        """Return the transcript: a typed line in bold, the one that came back below it."""
        lines = [dim("$ client")]
        for echo in self.echoes:
            lines += [strong(shown(echo.sent)), shown(echo.came)]
        return "\n".join(lines)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        same = all(echo.sent == echo.came for echo in self.echoes)
        first = shown(self.echoes[0].came) if self.echoes else ""
        lines = Lines(repr(self), {"echo": {"lines": len(self.echoes), "same": same, "first": first}})
        return lines._repr_mimebundle_()

    def _type(self, data: bytes) -> None:
        with suppress(OSError):  # who reads sees the end
            if self._client.stdin is not None:
                self._client.stdin.write(data)
                self._client.stdin.flush()

    def _read(self, size: int) -> bytes:
        out, came, deadline = self._client.stdout, b"", time.monotonic() + _PATIENCE
        while out is not None and len(came) < size and (left := deadline - time.monotonic()) > 0:
            if select.select([out], [], [], left)[0]:
                piece = os.read(out.fileno(), 1 << 16)
                if not piece:
                    break
                came += piece
        if len(came) < size:
            self._client.kill()
            _, errors = self._client.communicate()
            raise NsbridgeError(f"an echo did not come back: {errors.decode(errors='replace').strip() or 'no word'}")
        return came


@of_a_lab
def hard_messages(lab: Lab) -> Sheet:
    """Send the messages of HARD through one client, and hold each echo against what was sent."""
    with Conversation(lab) as talk:
        talk.say(*HARD.values())
    rows = [
        [
            plain(what),
            mono(shown(echo.sent, _LONGEST) or " "),
            f"{len(echo.sent):,}",
            "yes" if echo.came == echo.sent else "**NO**",
        ]
        for what, echo in zip(HARD, talk.echoes, strict=True)
    ]
    evidence = {"hard": {"messages": len(rows), "same": all(echo.came == echo.sent for echo in talk.echoes)}}
    return Sheet(["message", "as it was typed", "bytes", "came back unchanged"], rows, "llrl", evidence)


@of_a_lab
def crowd(lab: Lab, clients: int = 8, lines: int = 200) -> Lines:
    """Let several clients talk at once, each with lines of its own; tell how many got back exactly those."""
    typed = [b"".join(b"client %d, line %d\n" % (number, line) for line in range(lines)) for number in range(clients)]

    def talk(text: bytes) -> bool:
        done = subprocess.run(lab.client_argv(), input=text, capture_output=True, check=False)
        return done.returncode == 0 and done.stdout == text

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        same = sum(pool.map(talk, typed))
    took = time.perf_counter() - start
    return Lines(
        f"{same} of {clients} clients at once got back their own {lines} lines, and no other's ({took:.1f} s)",
        {"crowd": {"clients": clients, "same": same}},
    )


def shown(data: bytes, longest: int = 0) -> str:
    """Return a line as text, without its end; of one that is longer than `longest` the middle is left out."""
    text = visible(data.removesuffix(b"\n").decode(errors="backslashreplace"), keep="")
    return text if not longest or len(text) <= longest else f"{text[: longest - 9]}…{text[-8:]}"
