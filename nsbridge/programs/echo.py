"""The echo server: every stream is carried into itself. Runs in container B; knows no bridge.

Source: RFC 862.
"""

from __future__ import annotations

import sys

from nsbridge.errors import NsbridgeError
from nsbridge.media.base import SWITCH, Stream, serve
from nsbridge.media.table import medium
from nsbridge.programs.ending import hold_back, until_ended
from nsbridge.programs.stamps import Stamped


def echo(stream: Stream) -> None:
    """Carry a stream into itself."""
    stream.carry(stream, lambda _: stream.close())


def main(words: list[str]) -> int:
    """Serve the endpoint given in words; SIGTERM ends it. With `--stamps` before them it notes when bytes pass."""
    stamps = words[:1] == ["--stamps"]
    hold_back()
    sys.setswitchinterval(SWITCH)
    try:
        with medium(*words[stamps:]).listen() as listener:
            handle = (lambda stream: echo(Stamped(stream, "server"))) if stamps else echo
            until_ended(lambda: serve(listener, handle, lambda reason: print(f"echo: {reason}", file=sys.stderr)))
    except NsbridgeError as error:
        print(f"echo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
