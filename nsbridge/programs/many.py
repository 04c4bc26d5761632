"""Opens many streams: at once, then one after another; each must echo. Runs where a client runs.

Prints a line when all are open and then waits for a line on standard input, so that somebody can look.
"""

from __future__ import annotations

import os
import sys

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.base import Medium, Stream
from nsbridge.media.table import medium


def say(stream: Stream, word: bytes) -> None:
    """Send a word and await it back.

    Raises:
        StreamError: something else came back.
    """
    stream.write(word)
    hear(stream, word)


def hear(stream: Stream, word: bytes) -> None:
    """Await a word that was sent.

    Raises:
        StreamError: something else came back.
    """
    echo = b""
    while len(echo) < len(word) and (data := stream.read()):
        echo += data
    if echo != word:
        raise StreamError(f"{word!r} came back as {echo!r}")


def finish(stream: Stream) -> None:
    """End the stream, see its end and close it."""
    stream.end()
    if stream.read():
        raise StreamError("more came back than was sent")
    stream.close()


def at_once(endpoint: Medium, count: int) -> None:
    """Hold `count` streams open together."""
    streams = [endpoint.connect() for _ in range(count)]
    for number, stream in enumerate(streams):
        say(stream, b"%d" % number)
    print(f"{count} streams are open", flush=True)
    sys.stdin.readline()
    for number, stream in reversed(list(enumerate(streams))):
        say(stream, b"again %d" % number)
        finish(stream)


def in_turn(endpoint: Medium, count: int) -> None:
    """Open and close `count` streams one after another."""
    for number in range(count):
        with endpoint.connect() as stream:
            say(stream, b"%d" % number)
            finish(stream)


def main(words: list[str]) -> int:
    """Take how many at once, how many in turn, and an endpoint in words."""
    endpoint = medium(*words[2:])
    try:
        at_once(endpoint, int(words[0]))
        in_turn(endpoint, int(words[1]))
    except NsbridgeError as error:
        print(f"many: {error}", file=sys.stderr)
        return 1
    print("done", flush=True)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
