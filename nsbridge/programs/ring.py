"""Measures many busy streams: a message goes into each, then an echo is taken from each. Runs where a client runs.

Prints JSON: `{"streams": N, "size": bytes, "us": [microseconds a message, one for each round]}`.
"""

from __future__ import annotations

import json
import os
import sys
import time

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.base import Stream
from nsbridge.media.table import medium


def ring(streams: list[Stream], size: int, rounds: int) -> list[float]:
    """Return the microseconds that a message took in each round.

    Raises:
        StreamError: an echo is not what was sent.
    """
    message = os.urandom(size)
    times: list[float] = []
    for _ in range(rounds + 1):  # the first opens the streams at the far end, too
        start = time.perf_counter_ns()
        for stream in streams:
            stream.write(message)
        for stream in streams:
            echo = stream.read()
            while len(echo) < size:
                echo += stream.read()
            if echo != message:
                raise StreamError("a message came back changed")
        times.append((time.perf_counter_ns() - start) / 1000 / len(streams))
    return times[1:]


def main(words: list[str]) -> int:
    """Take `STREAMS SIZE ROUNDS` and an endpoint in words."""
    count, size, rounds = map(int, words[:3])
    endpoint = medium(*words[3:])
    try:
        streams = [endpoint.connect() for _ in range(count)]
        times = ring(streams, size, rounds)
    except NsbridgeError as error:
        print(f"ring: {error}", file=sys.stderr)
        return 1
    for stream in streams:
        stream.end()
    for stream in streams:
        stream.read()
        stream.close()
    json.dump({"streams": count, "size": size, "us": times}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
