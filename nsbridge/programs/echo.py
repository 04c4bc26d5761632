"""The echo server: every stream is carried into itself. Runs in container B; knows no bridge.

Source: RFC 862.
"""

from __future__ import annotations

import signal
import sys

from nsbridge.errors import NsbridgeError
from nsbridge.media.base import Stream, serve
from nsbridge.media.table import medium


def echo(stream: Stream) -> None:
    """Carry a stream into itself."""
    stream.carry(stream, lambda _: stream.close())


def main(words: list[str]) -> int:
    """Serve the endpoint given in words; SIGTERM ends it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with medium(*words).listen() as listener:
            serve(listener, echo, lambda reason: print(f"echo: {reason}", file=sys.stderr))
    except NsbridgeError as error:
        print(f"echo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
