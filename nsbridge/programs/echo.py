"""The echo server: every stream is carried into itself. Runs in container B; knows no bridge.

Source: RFC 862.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from nsbridge.errors import NsbridgeError
from nsbridge.media.base import SWITCH, Listener, Stream, serve, spawn
from nsbridge.media.table import medium
from nsbridge.programs.stamps import Stamped


def echo(stream: Stream) -> None:
    """Carry a stream into itself."""
    stream.carry(stream, lambda _: stream.close())


def main(words: list[str]) -> int:
    """Serve the endpoint given in words; SIGTERM ends it. With `--stamps` before them it notes when bytes pass."""
    stamps = words[:1] == ["--stamps"]
    # waited for, not handled: a handler runs only once the main thread is back from the call it waits in
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    sys.setswitchinterval(SWITCH)
    try:
        with medium(*words[stamps:]).listen() as listener:
            spawn(_serve, listener, (lambda stream: echo(Stamped(stream, "server"))) if stamps else echo)
            signal.sigwait({signal.SIGTERM})
    except NsbridgeError as error:
        print(f"echo: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(listener: Listener, handle: Callable[[Stream], None]) -> None:
    serve(listener, handle, lambda reason: print(f"echo: {reason}", file=sys.stderr))
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
