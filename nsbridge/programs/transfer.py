"""Shows that a stream arrives whole: sends bytes and compares what comes back by hash. Runs where a client runs.

Prints JSON: `{"size": bytes, "sent": hash, "returned": hash, "seconds": …}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.base import Stream, spawn
from nsbridge.media.table import medium

_PIECE = 1 << 20  # bytes that are written at once


def transfer(stream: Stream, size: int) -> tuple[str, str]:
    """Send `size` random bytes and the end while they come back; return the hashes of what went and what came.

    Raises:
        StreamError: the stream broke.
    """
    noise = os.urandom(2 * _PIECE)
    sent, returned = hashlib.blake2b(), hashlib.blake2b()

    def send() -> None:
        try:
            for start in range(0, size, _PIECE):
                piece = memoryview(noise)[start // _PIECE * 8191 % _PIECE :][: min(_PIECE, size - start)]
                sent.update(piece)
                stream.write(piece)
            stream.end()
        except StreamError:
            stream.abort()  # the reader tells

    spawn(send)
    while data := stream.read():
        returned.update(data)
    return sent.hexdigest(), returned.hexdigest()


def main(words: list[str]) -> int:
    """Take `SIZE` and an endpoint in words."""
    size = int(words[0])
    start = time.perf_counter()
    try:
        with medium(*words[1:]).connect() as stream:
            sent, returned = transfer(stream, size)
    except NsbridgeError as error:
        print(f"transfer: {error}", file=sys.stderr)
        return 1
    json.dump({"size": size, "sent": sent, "returned": returned, "seconds": time.perf_counter() - start}, sys.stdout)
    return 0 if sent == returned else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
