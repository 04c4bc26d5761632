"""Measures many streams: one beside silent ones, then all of them busy. Runs where a client runs.

Prints JSON: `{"idle_us": [microseconds of round trips through one], "busy_us": [microseconds a message, one for each
round]}`. Then it waits for a line on standard input, so that somebody can look, before it closes the streams.
"""

from __future__ import annotations

import json
import os
import sys
import time

from nsbridge.errors import NsbridgeError
from nsbridge.media.base import Stream
from nsbridge.media.table import medium
from nsbridge.programs.many import finish, hear, say
from nsbridge.programs.ping import ping


def ring(streams: list[Stream], size: int, rounds: int) -> list[float]:
    """Send a message into each stream, then take an echo from each; return what a message took in each round.

    Raises:
        StreamError: an echo is not what was sent.
    """
    message = os.urandom(size)
    times: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        for stream in streams:
            stream.write(message)
        for stream in streams:
            hear(stream, message)
        times.append((time.perf_counter_ns() - start) / 1000 / len(streams))
    return times


def main(words: list[str]) -> int:
    """Take `STREAMS SIZE PINGS ROUNDS` and an endpoint in words."""
    count, size, pings, rounds = map(int, words[:4])
    endpoint = medium(*words[4:])
    try:
        streams = [endpoint.connect() for _ in range(count)]
        for stream in streams:
            say(stream, b"open")
        idle = [(back - sent) / 1000 for sent, back in ping(streams[0], size, pings, min(200, pings))]
        json.dump({"idle_us": idle, "busy_us": ring(streams, size, rounds)}, sys.stdout)
        print(flush=True)
        sys.stdin.readline()
        for stream in streams:
            finish(stream)
    except NsbridgeError as error:
        print(f"crowd: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
