"""Sends numbered, hashed messages from many clients at once and accounts for each. Runs where a client runs.

Each client is a process with a stream of its own; if it runs for a time, with one after another. The last line
printed is `lost 0 duplicated 0 reordered 0 corrupt 0`, with what was counted.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.base import Medium, Stream, spawn
from nsbridge.media.table import medium

KINDS = ("lost", "duplicated", "reordered", "corrupt")
LARGEST = 3000  # bytes of a message's body
STREAM = 200  # messages in a stream of a client that runs for a time
_HEAD = struct.Struct("=III16s")  # client, number, length of the body, hash of all that and the body


def _digest(client: int, number: int, body: bytes) -> bytes:
    return hashlib.blake2b(struct.pack("=III", client, number, len(body)) + body, digest_size=16).digest()


def messages(client: int, count: int) -> Iterator[bytes]:
    """Yield the messages of a client; most are short."""
    dice = random.Random(client)  # noqa: S311 — bytes to look at, not to hide
    for number in range(count):
        body = dice.randbytes(int(LARGEST * dice.random() ** 4))
        yield _HEAD.pack(client, number, len(body), _digest(client, number, body)) + body


def parse(stream: Stream) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Yield client, number, hash and body of each message up to the end of the stream."""
    data = b""
    while piece := stream.read():
        data += piece
        while len(data) >= _HEAD.size:
            client, number, length, digest = _HEAD.unpack_from(data)
            whole = _HEAD.size + length
            if len(data) < whole:
                break
            yield client, number, digest, data[_HEAD.size : whole]
            data = data[whole:]


def account(stream: Stream, client: int, count: int) -> Counter[str]:
    """Send `count` messages of a client while they come back, and count what is wrong with them."""
    found: Counter[str] = Counter()

    def send() -> None:
        try:
            for message in messages(client, count):
                stream.write(message)
            stream.end()
        except StreamError:
            stream.abort()

    spawn(send)
    following, missing = 0, set[int]()
    try:
        for whose, number, digest, body in parse(stream):
            if whose != client or digest != _digest(whose, number, body) or number >= count:
                found["corrupt"] += 1
            elif number >= following:
                missing.update(range(following, number))
                following = number + 1
            elif number in missing:
                missing.remove(number)
                found["reordered"] += 1
            else:
                found["duplicated"] += 1
    except StreamError as error:
        print(f"soak: client {client}: {error}", file=sys.stderr)
    found["lost"] = len(missing) + count - following
    return found


def converse(endpoint: Medium, client: int, amount: str, clients: int) -> Counter[str]:
    """Be one client: send its part of `amount` messages, or for so many seconds; see main."""
    if not amount.endswith("s"):
        total = int(amount)
        count = total // clients + (client < total % clients)
        with endpoint.connect() as stream:
            return Counter(messages=count) + account(stream, client, count)
    found: Counter[str] = Counter()
    deadline = time.monotonic() + float(amount[:-1])
    while time.monotonic() < deadline:
        with endpoint.connect() as stream:
            found += account(stream, client, STREAM)
        found["messages"] += STREAM
    return found


def main(words: list[str]) -> int:
    """Take `CLIENTS AMOUNT` and an endpoint in words; AMOUNT is messages of all together, or seconds, as in `60s`."""
    clients, amount = int(words[0]), words[1]
    readers = []
    for client in range(clients):
        reader, writer = os.pipe()
        if os.fork() == 0:
            found = Counter(lost=1)
            try:
                found = converse(medium(*words[2:]), client, amount, clients)
            except NsbridgeError as error:
                print(f"soak: client {client}: {error}", file=sys.stderr)
            os.write(writer, " ".join(str(found[kind]) for kind in ("messages", *KINDS)).encode())
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    sums = [0] * (1 + len(KINDS))
    for reader in readers:
        with os.fdopen(reader) as lines:
            figures = lines.read().split() or ["0", "1", "0", "0", "0"]  # it died: at least one is lost
        sums = [a + int(b) for a, b in zip(sums, figures, strict=True)]
    print(f"{clients} clients, {sums[0]} messages")
    print(*(f"{kind} {number}" for kind, number in zip(KINDS, sums[1:], strict=True)))
    return 1 if any(sums[1:]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
