"""Throws garbage at the live endpoints of each medium, while an honest client goes on talking beside it.

Run it as `python -m tests.fuzz.fuzz [--count 100000] [--seed N] [net ipc mnt]`. The same seed throws the same things.
It fails if the server does not answer an honest client at any time, or keeps anything at the end.
"""

import argparse
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import sysv_ipc

from nsbridge.errors import StreamError
from nsbridge.media.base import Medium
from nsbridge.media.ipc import Ipc, stream_keys
from nsbridge.media.mnt import Mnt
from nsbridge.media.net import Net
from nsbridge.media.sysv import keys_in_use
from tests.fuzz.wire import IpcGarbage, MntGarbage

HONEST = 500  # inputs between two honest conversations


class Garbage(Protocol):
    """One input after another."""

    def throw(self) -> None:
        """Throw one."""

    def stop(self) -> None:
        """Take back what is still open."""


class NetGarbage:
    """Connections that end in every way; what they carry means nothing to the server."""

    def __init__(self, port: int, dice: random.Random) -> None:
        """Remember where to throw it."""
        self.port, self.dice = port, dice
        self.open: list[socket.socket] = []

    def throw(self) -> None:
        """Throw one."""
        if len(self.open) < 20 or self.dice.random() < 0.1:
            self.open.append(socket.create_connection(("127.0.0.1", self.port)))
        one = self.dice.choice(self.open)
        with suppress(OSError):
            choice = self.dice.randrange(8)
            if choice < 4:
                one.send(self.dice.randbytes(self.dice.choice((1, 100, 10_000))), socket.MSG_DONTWAIT)
            elif choice == 4:
                one.shutdown(socket.SHUT_WR)
            elif choice == 5:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                one.recv(self.dice.choice((1, 65536)), socket.MSG_DONTWAIT)
        if self.dice.random() < 0.1 or len(self.open) > 40:
            self.open.remove(one)
            one.close()

    def stop(self) -> None:
        """Close what is still open."""
        for one in self.open:
            one.close()


def honest(endpoint: Medium) -> None:
    """Have one conversation that must succeed."""
    word = os.urandom(1000)
    deadline = time.monotonic() + 30
    while True:  # a request may fall victim to what others throw away; then it is made again
        try:
            with endpoint.connect() as stream:
                stream.write(word)
                stream.end()
                echo = b"".join(iter(stream.read, b""))
            break
        except StreamError:
            if time.monotonic() > deadline:
                raise
    assert echo == word, f"{len(echo)} of {len(word)} bytes came back"


def traces(pid: int) -> tuple[int, int]:
    """Return how many descriptors and threads a process has."""
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))


@contextmanager
def served(words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the echo server; its log is thrown away but for its length."""
    with subprocess.Popen(
        [sys.executable, "-m", "nsbridge.programs.echo", *words], stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def endpoint_of(kind: str, place: Path) -> tuple[list[str], Medium, Callable[[random.Random], Garbage]]:
    """Return an endpoint in words, as an honest client sees it, and what throws garbage at it."""
    if kind == "net":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        return ["net", "127.0.0.1", str(port)], Net("127.0.0.1", port), lambda dice: NetGarbage(port, dice)
    if kind == "ipc":
        key = 1 + os.getpid() % 65535
        return ["ipc", str(key)], Ipc(key), lambda dice: IpcGarbage(key, dice)
    return ["mnt", str(place)], Mnt(str(place)), lambda dice: MntGarbage(place, dice)


def fuzz(kind: str, seed: int, count: int, place: Path) -> str:
    """Throw `count` inputs at one medium, and return what to say of it.

    Raises:
        AssertionError, StreamError: an honest client suffered, or something was left behind.
    """
    words, endpoint, garbage_of = endpoint_of(kind, place)
    with served(words) as process:
        _await(lambda: _talks(endpoint), "the server did not begin")
        garbage = garbage_of(random.Random(seed))
        honest(endpoint)
        before = traces(process.pid)
        start = time.monotonic()
        for number in range(count):
            garbage.throw()
            if number % HONEST == 0:
                honest(endpoint)
        garbage.stop()
        honest(endpoint)
        seconds = time.monotonic() - start
        _await(
            lambda: all(now <= was for now, was in zip(traces(process.pid), before, strict=True)),
            f"of {before} descriptors and threads it came to {traces(process.pid)}",
        )
        assert process.poll() is None
    if isinstance(endpoint, Ipc):
        _clear(endpoint.key)
    return f"{kind}: seed {seed}: {count} inputs in {seconds:.0f} s; every honest client was served, nothing is left"


def _talks(endpoint: Medium) -> bool:
    with suppress(StreamError):
        endpoint.connect().close()
        return True
    return False


def _await(condition: Callable[[], bool], fault: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, fault
        time.sleep(0.02)


def _clear(key: int) -> None:
    for table, kind in (("msg", sysv_ipc.MessageQueue), ("sem", sysv_ipc.Semaphore)):
        for each in {key, key << 15, *stream_keys(key)}.intersection(keys_in_use(table)):
            kind(each, 0, 0o444).remove()


def main() -> None:
    """Fuzz the media named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs for each medium")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("media", nargs="*", default=["net", "ipc", "mnt"])
    args = parser.parse_args()
    for kind in args.media:
        with tempfile.TemporaryDirectory(prefix="nsbridge-fuzz-") as folder:
            print(f"{kind}: seed {args.seed}", flush=True)
            print(fuzz(kind, args.seed, args.count, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
