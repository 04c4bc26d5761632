"""The echo server: every stream is carried into itself. Runs in container B; knows no bridge.

Source: RFC 862.
"""

from __future__ import annotations

import contextlib
import signal
import sys

from nsbridge.errors import Broken, NsbridgeError
from nsbridge.media.base import Listener, Stream
from nsbridge.media.table import medium


def serve(listener: Listener) -> None:
    """Echo every stream that comes, until the listener is closed."""
    with contextlib.suppress(Broken):
        while True:
            echo(listener.accept())


def echo(stream: Stream) -> None:
    """Carry a stream into itself."""
    stream.carry(stream, lambda _: stream.close())


def main(words: list[str]) -> int:
    """Serve the endpoint given in words; SIGTERM ends it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with medium(*words).listen() as listener:
            serve(listener)
    except NsbridgeError as error:
        print(f"echo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
