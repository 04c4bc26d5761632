"""Throws garbage at live endpoints while somebody honest goes on talking beside it; nothing may be left of it.

What listens is an echo server. What connects is a gate, the bridge without namespaces, whose server is garbage.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import sysv_ipc

from nsbridge.errors import StreamError
from nsbridge.media.base import Medium
from nsbridge.media.ipc import Ipc, stream_keys
from nsbridge.media.mnt import Mnt
from nsbridge.media.net import Net
from nsbridge.media.sysv import keys_in_use

from .servers import SERVERS
from .wire import IpcGarbage, MntGarbage, NetGarbage

HONEST = 500  # inputs between two honest conversations


class Garbage(Protocol):
    """One input after another."""

    def throw(self) -> None:
        """Throw one."""

    def stop(self) -> None:
        """Take back what is still open."""


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
def running(program: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of nsbridge's programs, in whose log may be reasons, but no error that nobody foresaw."""
    argv = [sys.executable, "-m", f"nsbridge.programs.{program}", *words]
    with tempfile.TemporaryFile() as log, subprocess.Popen(argv, stderr=log) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
            log.seek(0)
            assert b"Traceback" not in (found := log.read()), found[found.index(b"Traceback") :][:5000].decode()


def endpoint_of(kind: str, place: Path) -> tuple[list[str], Medium, Callable[[random.Random], Garbage]]:
    """Return an endpoint in words, as an honest client sees it, and what throws garbage at it."""
    if kind == "net":
        port = _free_port()
        return ["net", "127.0.0.1", str(port)], Net("127.0.0.1", port), lambda dice: NetGarbage(port, dice)
    if kind == "ipc":
        key = 1 + os.getpid() % 65535
        return ["ipc", str(key)], Ipc(key), lambda dice: IpcGarbage(key, dice)
    return ["mnt", str(place)], Mnt(str(place)), lambda dice: MntGarbage(place, dice)


def fuzz_listener(kind: str, seed: int, count: int, place: Path) -> None:
    """Throw `count` inputs at who listens on one medium.

    Raises:
        AssertionError, StreamError: an honest client suffered, or something was left behind.
    """
    words, endpoint, garbage_of = endpoint_of(kind, place)
    with running("echo", *words) as process:
        _await(lambda: _talks(endpoint), "the server did not begin")
        garbage = garbage_of(random.Random(seed))
        honest(endpoint)
        before = traces(process.pid)
        for number in range(count):
            garbage.throw()
            if number % HONEST == 0:
                honest(endpoint)
        garbage.stop()
        honest(endpoint)
        _as_before(process, before)
    if isinstance(endpoint, Ipc):
        _clear(endpoint.key)


def fuzz_opener(kind: str, seed: int, count: int, place: Path) -> None:
    """Have a gate open `count` streams to a server of garbage on one medium.

    Raises:
        AssertionError: an honest stream through the same gate suffered, or something was left behind.
    """
    dice, server, port = random.Random(seed), SERVERS[kind](place), _free_port()
    clients: list[socket.socket] = []

    def client(word: bytes) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", port))
        with suppress(ConnectionError):  # what a server before this one left may have broken the stream already
            one.send(word)
        return one

    def honest_stream() -> None:
        word = os.urandom(1000)
        with client(word) as one:
            one.shutdown(socket.SHUT_WR)
            server.serve()
            assert one.makefile("rb").read() == word

    with closing(server), running("gate", "net", "127.0.0.1", str(port), *server.words) as process:
        _await(lambda: _listens(port), "the gate did not begin")
        honest_stream()
        before = traces(process.pid)
        for number in range(count):
            clients.append(client(dice.randbytes(dice.choice((0, 1, 100, 100_000)))))
            server.garble(dice)
            while len(clients) > 20:
                clients.pop(dice.randrange(len(clients))).close()
            if number % HONEST == 0:
                honest_stream()
        for one in clients:
            one.close()
        honest_stream()
        server.close()
        _as_before(process, before)


def _as_before(process: subprocess.Popen[bytes], before: tuple[int, int]) -> None:
    _await(
        lambda: all(now <= was for now, was in zip(traces(process.pid), before, strict=True)),
        f"of {before} descriptors and threads it came to {traces(process.pid)}",
    )
    assert process.poll() is None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


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
