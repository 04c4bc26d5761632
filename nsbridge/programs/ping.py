"""Measures round trips: sends, waits for the echo, and notes the time. Runs where a client runs.

Prints JSON: `{"size": bytes, "rtt_us": [microseconds, …], "sent_ns": [nanoseconds of CLOCK_MONOTONIC, …]}`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.base import Stream
from nsbridge.media.table import medium


def ping(stream: Stream, size: int, count: int, warm_up: int) -> list[tuple[int, int]]:
    """Return when each of `count` messages of `size` bytes went and was back, in ns, after `warm_up` unnoted ones.

    Raises:
        StreamError: an echo is not what was sent.
    """
    clock, read, write = time.monotonic_ns, stream.read, stream.write
    times: list[tuple[int, int]] = []
    message = os.urandom(size)
    gc.disable()
    for number in range(warm_up + count):
        start = clock()
        write(message)
        echo = read()
        while len(echo) < size:
            echo += read()
        back = clock()
        if echo != message:
            raise StreamError(f"message {number} came back changed")
        if number >= warm_up:
            times.append((start, back))
    return times


def main(words: list[str]) -> int:
    """Take `SIZE COUNT` and an endpoint in words."""
    size, count = int(words[0]), int(words[1])
    try:
        with medium(*words[2:]).connect() as stream:
            times = ping(stream, size, count, min(200, count))
            stream.end()
            stream.read()
    except NsbridgeError as error:
        print(f"ping: {error}", file=sys.stderr)
        return 1
    taken = [(back - sent) / 1000 for sent, back in times]
    json.dump({"size": size, "rtt_us": taken, "sent_ns": [sent for sent, _ in times]}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
