"""Measures throughput: sends chunks without waiting, while their echoes come back. Runs where a client runs.

Prints JSON: `{"size": bytes, "count": chunks, "seconds": from the first write to the last byte back}`.
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


def flood(stream: Stream, size: int, count: int) -> float:
    """Send `count` chunks of `size` bytes and return the seconds until all are back.

    Raises:
        StreamError: what came back is not what was sent.
    """
    chunk = os.urandom(size)

    def send() -> None:
        try:
            for _ in range(count):
                stream.write(chunk)
            stream.end()
        except StreamError:
            stream.abort()  # the reader tells

    returned = hashlib.blake2b()
    start = time.perf_counter()
    spawn(send)
    pieces = list(iter(stream.read, b""))
    seconds = time.perf_counter() - start
    expected = hashlib.blake2b()
    for _ in range(count):
        expected.update(chunk)
    for piece in pieces:
        returned.update(piece)
    if returned.digest() != expected.digest():
        raise StreamError("what came back is not what was sent")
    return seconds


def main(words: list[str]) -> int:
    """Take `SIZE COUNT` and an endpoint in words."""
    size, count = int(words[0]), int(words[1])
    try:
        with medium(*words[2:]).connect() as stream:
            seconds = flood(stream, size, count)
    except NsbridgeError as error:
        print(f"flood: {error}", file=sys.stderr)
        return 1
    json.dump({"size": size, "count": count, "seconds": seconds}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
