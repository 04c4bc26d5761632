"""Sends numbered, hashed messages from many clients at once and accounts for each. Runs where a client runs.

Each client is a process with a stream of its own. The last line printed is
`lost 0 duplicated 0 reordered 0 corrupt 0`, with what was counted.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct
import sys
from collections import Counter
from collections.abc import Iterator

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.base import Stream, spawn
from nsbridge.media.table import medium

KINDS = ("lost", "duplicated", "reordered", "corrupt")
LARGEST = 3000  # bytes of a message's body
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
    seen: set[int] = set()

    def send() -> None:
        try:
            for message in messages(client, count):
                stream.write(message)
            stream.end()
        except StreamError:
            stream.abort()

    spawn(send)
    latest = -1
    try:
        for whose, number, digest, body in parse(stream):
            if whose != client or digest != _digest(whose, number, body):
                found["corrupt"] += 1
                continue
            found["duplicated"] += number in seen
            found["reordered"] += number < latest
            latest = max(latest, number)
            seen.add(number)
    except StreamError as error:
        print(f"soak: client {client}: {error}", file=sys.stderr)
    found["lost"] = count - len(seen)
    return found


def main(words: list[str]) -> int:
    """Take `CLIENTS MESSAGES` (of all clients together) and an endpoint in words."""
    clients, total = int(words[0]), int(words[1])
    readers = []
    for client in range(clients):
        reader, writer = os.pipe()
        if os.fork() == 0:
            count = total // clients + (client < total % clients)
            found = Counter(lost=count)
            try:
                with medium(*words[2:]).connect() as stream:
                    found = account(stream, client, count)
            except NsbridgeError as error:
                print(f"soak: client {client}: {error}", file=sys.stderr)
            os.write(writer, " ".join(str(found[kind]) for kind in KINDS).encode())
            os._exit(0)
        os.close(writer)
        readers.append(reader)
    sums = [0] * len(KINDS)
    for reader in readers:
        with os.fdopen(reader) as lines:
            figures = lines.read().split() or [str(total), "0", "0", "0"]
        sums = [a + int(b) for a, b in zip(sums, figures, strict=True)]
    print(f"{clients} clients, {total} messages")
    print(*(f"{kind} {number}" for kind, number in zip(KINDS, sums, strict=True)))
    return 1 if any(sums) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
