"""Servers of garbage, for the side of the bridge that opens streams; each can also serve one stream as it should.

Raw calls alone: no code of nsbridge is on this side.
"""

import fcntl
import itertools
import os
import random
import shutil
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from . import wire

OPEN, HELLO, DATA, END, BREAK, CLOSE = 1, 2, 3, 4, 5, 6
_PATIENCE = 20.0  # seconds


class Server(Protocol):
    """Serves one stream after another."""

    words: list[str]
    """Its endpoint."""

    def garble(self, dice: random.Random) -> None:
        """Take a stream, and do to it what must not be done."""

    def serve(self) -> None:
        """Take a stream, echo it up to its end, and see it closed."""

    def close(self) -> None:
        """Let go of all."""


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "the bridge does not do its part"
        time.sleep(0.0001)


class NetServer:
    """Accepts connections."""

    def __init__(self, place: Path) -> None:
        self.door = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.words = ["net", *map(str, self.door.getsockname())]
        self.open: list[socket.socket] = []

    def garble(self, dice: random.Random) -> None:
        self.open.append(self.door.accept()[0])
        for _ in range(dice.randrange(4)):
            one = dice.choice(self.open)
            with suppress(OSError):
                match dice.randrange(5):
                    case 0:
                        one.send(dice.randbytes(dice.choice((1, 1000, 100_000))), socket.MSG_DONTWAIT)
                    case 1:
                        one.recv(dice.choice((1, 100_000)), socket.MSG_DONTWAIT)
                    case 2:
                        one.shutdown(dice.choice((socket.SHUT_WR, socket.SHUT_RD, socket.SHUT_RDWR)))
                    case 3:
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    case 4:
                        one.send(b"!", socket.MSG_OOB | socket.MSG_DONTWAIT)
        while len(self.open) > 20:
            self.open.pop(dice.randrange(len(self.open))).close()

    def serve(self) -> None:
        one = self.door.accept()[0]
        while data := one.recv(65536):
            one.sendall(data)
        one.close()

    def close(self) -> None:
        for one in (*self.open, self.door):
            one.close()


class IpcServer:
    """Answers requests, or others that nobody made."""

    def __init__(self, place: Path) -> None:
        self.key = 1 + os.getpid() % 65535
        self.words = ["ipc", str(self.key)]
        self.opens, self.replies = wire.make(self.key), wire.make(self.key << 15)
        self.keys = itertools.cycle(range((self.key << 15) + 1, (self.key << 15) + 30000))
        self.open: list[int] = []
        self.strays: list[int] = []  # the types of replies that nobody waits for

    def _take(self) -> int:
        """Return the token of the next request; what is none was put there by our own garbage."""
        tokens: list[int] = []

        def come() -> bool:
            body = wire.receive(self.opens, OPEN)
            if body is not None and len(body) == 8:
                tokens.append(struct.unpack("=Ii", body)[1])
            return bool(tokens)

        _until(come)
        return tokens[0]

    def _queues(self) -> tuple[int, int]:
        """Return the keys of two new queues."""
        keys = next(self.keys), next(self.keys)
        self.open += map(wire.make, keys)
        return keys

    def garble(self, dice: random.Random) -> None:
        token = self._take()
        keys = self._queues()
        down = self.open[-1]
        if dice.random() < 0.9:
            wire.send(down, HELLO, dice.choice((b"", b"", b"", bytes(4), dice.randbytes(4), bytes(3))))
        for _ in range(dice.randrange(4)):
            wire.send(down, dice.choice((DATA, END, *wire.TYPES)), dice.randbytes(dice.choice(wire.SIZES)))
        odd = (0, -1, 5, self.key, self.key << 15, dice.getrandbits(31), *keys)
        right = struct.pack("=Iii", 1, *keys)
        wrong = struct.pack("=Iii", dice.choice((0, 1, 2, 2**32 - 1)), dice.choice(odd), dice.choice(odd))
        short = dice.randbytes(dice.choice(wire.SIZES))
        if dice.random() < 0.02:  # a reply that nobody waits for
            self.strays.append(dice.choice((token ^ 1 or 1, 2**31, 2**40)))
            wire.send(self.replies, self.strays[-1], right)
        if dice.random() < 0.999:  # else the bridge waits for ten seconds
            assert wire.send(self.replies, token, dice.choice((right, right, right, right, wrong, wrong, short)))
        while len(self.open) > 40:
            wire.remove(self.open.pop(dice.randrange(len(self.open))))
        if (wire.waiting(self.replies) or 0) > 50:
            while self.strays:
                wire.receive(self.replies, self.strays.pop())

    def serve(self) -> None:
        token = self._take()
        keys = self._queues()
        up, down = self.open[-2:]
        assert wire.send(down, HELLO, b"")
        assert wire.send(self.replies, token, struct.pack("=Iii", 1, *keys))
        kind = HELLO
        while kind != CLOSE:
            if (found := wire.take(up)) is not None:
                kind, body = found
                assert kind not in (DATA, END) or wire.send(down, kind, body)
            assert wire.waiting(up) is not None
        for queue in (up, down):
            self.open.remove(queue)
            wire.remove(queue)

    def close(self) -> None:
        for queue in (*self.open, self.opens, self.replies):
            wire.remove(queue)


class MntServer:
    """Holds the lock of a folder, and does to the streams in it what comes to its mind."""

    NAMES = ("0", "0", "0", "1", "2", "3", "4", "end", "lock", "x", "-1", "00")

    def __init__(self, place: Path) -> None:
        self.path, self.words = place, ["mnt", str(place)]
        self.lock = (place / "lock").open("wb")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        for name in ("new", "open"):
            (place / name).mkdir()
        self.decoy = place / "decoy"
        self.decoy.write_bytes(b"decoy")
        self.known: set[str] = set()

    def _take(self) -> Path:
        """Wait for a stream that was not there before."""
        new: set[str] = set()

        def come() -> bool:
            there = set(os.listdir(self.path / "open"))
            new.update(there - self.known)
            self.known &= there
            return bool(new)

        _until(come)
        self.known |= new
        (name,) = new
        return self.path / "open" / name

    def garble(self, dice: random.Random) -> None:
        stream = self._take()
        for _ in range(dice.randrange(5)):
            if dice.random() < 0.3:
                stream = self.path / "open" / dice.choice(sorted(self.known))
            with suppress(OSError):
                self._meddle(stream, stream / dice.choice(("down", "down", "up")), dice)
        if len(self.known) > 20:
            shutil.rmtree(self.path / "open" / dice.choice(sorted(self.known)), ignore_errors=True)

    def _meddle(self, stream: Path, part: Path, dice: random.Random) -> None:
        place = part / dice.choice(self.NAMES)
        match dice.randrange(11):
            case 0 | 1 | 2 | 3 if not place.is_symlink() and not place.is_fifo():
                with place.open("ab") as file:
                    file.write(dice.randbytes(dice.choice((0, 1, 100, 65536, 131073))))
            case 4:
                place.symlink_to(dice.choice(("../../../decoy", "/dev/zero", "0", "nowhere")))
            case 5:
                os.mkfifo(place)
            case 6:
                place.mkdir()
            case 7:
                place.unlink()
            case 8:
                place.chmod(dice.choice((0, 0o644)))
            case 9:
                part.rename(stream / "elsewhere")
            case 10:
                shutil.rmtree(dice.choice((stream, part)))

    def serve(self) -> None:
        stream = self._take()
        up, down = stream / "up", stream / "down"
        _until((up / "end").exists)
        shutil.copyfile(up / "0", down / "0")
        (down / "end").touch()
        with (up / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)  # once the bridge has let it go
        shutil.rmtree(stream)

    def close(self) -> None:
        assert self.decoy.read_bytes() == b"decoy"
        for name in os.listdir(self.path / "open"):
            shutil.rmtree(self.path / "open" / name, ignore_errors=True)
        self.lock.close()


SERVERS: dict[str, Callable[[Path], Server]] = {"net": NetServer, "ipc": IpcServer, "mnt": MntServer}
