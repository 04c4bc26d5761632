"""Garbage for what reads the media: messages, replies, segments, events. Each is taken for what it is, or refused.

Each function makes what throws one input; any error but the promised one fails. What is right is worked out here from
docs/wire-*.md, not by the code that is tried.
"""

import os
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sysv_ipc

from nsbridge.errors import Broken, Refused, StreamError
from nsbridge.media import ipc
from nsbridge.media.hub import Hub, Watch
from nsbridge.media.mnt import Mnt
from nsbridge.media.peers import Peers
from nsbridge.media.queues import IpcStream
from nsbridge.media.segments import Reader
from nsbridge.media.sysv import make_queue

from . import wire

Throw = Callable[[random.Random], None]
HELLO, DATA, END, BREAK, CLOSE = 2, 3, 4, 5, 6


@contextmanager
def requests(_: Path) -> Iterator[Throw]:
    """What comes to the well-known queue: a stream is opened, or the request is refused."""
    with ipc.Ipc(1 + os.getpid() % 65535) as endpoint, endpoint.listen() as listener:
        opens, replies = wire.msgget(endpoint.key), wire.msgget(endpoint.key << 15)

        def throw(dice: random.Random) -> None:
            kind = dice.choice(wire.TYPES)
            body = dice.choice((struct.pack("=II", 1, dice.getrandbits(32)), dice.randbytes(dice.choice(wire.SIZES))))
            version, token = struct.unpack("=Ii", body) if len(body) == 8 else (0, 0)
            assert wire.send(opens, kind, body)
            try:
                listener.accept().close()
            except Refused:
                right = False
            else:
                right = True
            assert right == (kind == 1 and version == 1 and token > 0), (kind, body)
            answered = kind == 1 and token > 0 and wire.receive(replies, token) is not None
            assert answered == (kind == 1 and token > 0), (kind, body)

        yield throw


class _Nowhere:
    """A queue that takes what is sent, and gives what it was told to."""

    body = b""

    def send(self, *_: object, **__: object) -> None:
        pass

    def receive(self, **_: object) -> tuple[bytes, int]:
        return self.body, 1


@contextmanager
def replies(_: Path) -> Iterator[Throw]:
    """What comes to an opener: three numbers, or a refusal."""
    queue: Any = _Nowhere()

    def throw(dice: random.Random) -> None:
        queue.body = dice.randbytes(dice.choice((0, 3, 8, 11, 12, 12, 12, 13, 65536)))
        try:
            numbers = ipc._Request(queue, queue).ask()
        except Refused:
            assert len(queue.body) != 12
        else:
            assert struct.pack("=Iii", *numbers) == queue.body

    yield throw


@contextmanager
def messages(_: Path) -> Iterator[Throw]:
    """What comes in a stream's queue: bytes, an end, and a break where anything is out of its place."""
    peers = Peers()
    key = (1 + os.getpid() % 65535) << 15

    def throw(dice: random.Random) -> None:
        said = [
            (dice.choice((HELLO, HELLO, DATA, DATA, END, *wire.TYPES)), _body(dice)) for _ in range(dice.randrange(5))
        ]
        if dice.random() < 0.8:
            said.insert(0, (HELLO, dice.choice((b"", bytes(4)))))
        said.append((BREAK, b""))
        listening = dice.random() < 0.5
        queues = make_queue(key + 1), make_queue(key + 2)
        stream = IpcStream(*queues, peers, life=0, listening=listening)
        incoming = wire.msgget(key + 1)
        for kind, body in said:
            assert wire.send(incoming, kind, body)
        got, ended = b"", False
        with suppress(Broken):
            while data := stream.read():
                got += data
            ended = True
        meant, whole = _meant(said)
        # a listener looks on behind the end, and may find the break there before the end is handed out
        assert got == meant, said
        assert ended == whole or (listening and whole), said
        stream.abort()
        for queue in queues:
            with suppress(sysv_ipc.Error, OSError):
                queue.remove()

    yield throw
    peers.close()


def _body(dice: random.Random) -> bytes:
    return dice.randbytes(dice.choice(wire.SIZES) % 3000)


def _meant(said: list[tuple[int, bytes]]) -> tuple[bytes, bool]:
    """Return the bytes of a stream, and whether it came to its end, as docs/wire-ipc.md has it."""
    got = b""
    for place, (kind, body) in enumerate(said):
        if place == 0 and kind == HELLO and len(body) in (0, 4):
            continue
        if place == 0 or kind not in (DATA, END):
            return got, False
        if kind == END:
            return got, True
        got += body
    return got, False


@contextmanager
def segments(place: Path) -> Iterator[Throw]:
    """What is in a folder that is read: the bytes of the segments in their order, up to the first that is none."""
    numbers = iter(range(1 << 62))
    (place / "decoy").write_bytes(b"decoy")

    def throw(dice: random.Random) -> None:
        folder = place / str(next(numbers))
        folder.mkdir()
        meant, whole = b"", True
        for number in range(dice.randrange(6)):
            kind, name = dice.randrange(12), folder / f"{number}"
            if kind < 8:
                data = dice.randbytes(dice.choice((0, 1, 100, 1000, 66000)))
                name.write_bytes(data)
                meant += data if whole else b""
            elif kind == 8:
                name.write_bytes(bytes(dice.choice((131073, 140000))))
                whole = False
            elif kind == 9:
                dice.choice((os.mkfifo, os.mkdir))(name)
                whole = False
            elif kind == 10:
                name.symlink_to(dice.choice(("../decoy", "0", "nowhere")))
                whole = False
            else:
                break
        for other in dice.sample(("-1", "00", "01", "x", "end", "7", "1e1", "18446744073709551616"), 2):
            (folder / other).touch()
        fd = os.open(folder, os.O_RDONLY)
        reader, got = Reader(fd), b""
        try:
            reader.hear(dice.randrange(8))
            reader.overrun(dice.random() < 0.5)
            for _ in range(8):  # each time it looks WINDOW segments further
                reader.look()
                while data := reader.take():
                    got += data
            assert whole
            assert got == meant
        except Broken:
            assert not whole
            assert got.startswith(meant)
            assert not got[len(meant) :].strip(b"\0")
        reader.close()
        os.close(fd)
        for entry in os.scandir(folder):
            (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
        folder.rmdir()

    yield throw


class _Noting(Watch):
    """A watch that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, bytes] | None] = []

    def event(self, mask: int, name: bytes) -> None:
        self.told.append((mask, name))

    def rescan(self) -> None:
        self.told.append(None)


@contextmanager
def records(place: Path) -> Iterator[Throw]:
    """What inotify says: each watch is told of its own events, and of no other's."""
    hub, watches = Hub(), [_Noting() for _ in range(3)]
    numbers = []
    for number, watch in enumerate(watches):
        (place / str(number)).mkdir()
        numbers.append(hub.add(str(place / str(number)), 0xFFF, watch))
    reader, writer = os.pipe()
    own, hub._fd = hub._fd, reader

    def throw(dice: random.Random) -> None:
        data, meant = b"", {number: list[tuple[int, bytes] | None]() for number in numbers}
        for _ in range(dice.randrange(1, 20)):
            wd = dice.choice((*numbers, -1, 0, 77, 2**31 - 1))
            mask = dice.getrandbits(32) & ~0x8000  # the end of a watch is another matter
            name = bytes(dice.randrange(1, 256) for _ in range(dice.choice((0, 1, 15, 200))))
            padded = name + bytes(-len(name) % 16)
            data += struct.pack("=iIII", wd, mask, dice.getrandbits(32), len(padded)) + padded
            if wd in meant:
                meant[wd].append((mask, padded))
            for told in meant.values() if mask & 0x4000 else ():  # events were lost
                told.append(None)
        os.write(writer, data)
        hub._read()
        for number, watch in zip(numbers, watches, strict=True):
            assert watch.told == meant[number]
            watch.told = []

    yield throw
    hub._fd = own
    hub.close()
    for fd in (reader, writer):
        os.close(fd)


@contextmanager
def events(place: Path) -> Iterator[Throw]:
    """What a stream is told by inotify, true or not: it goes on or breaks, and nothing else."""
    (place / "decoy").write_bytes(b"decoy")
    names = (b"", b"0", b"1", b"end", b"lock", b"up", b"down", b"\xff", b"../decoy", b"x" * 255)
    with Mnt(str(place)) as here, Mnt(str(place)) as there, here.listen() as listener:

        def throw(dice: random.Random) -> None:
            sides = there.connect(), listener.accept()
            for _ in range(dice.randrange(1, 8)):
                side = dice.choice(sides)
                with suppress(StreamError):
                    side.event(1 << dice.randrange(32) | 1 << dice.randrange(32), dice.choice(names))
                    side.rescan() if dice.random() < 0.2 else side.offer(b"x")
            for side in sides:
                side.abort()
                side.close()
            assert (place / "decoy").read_bytes() == b"decoy"

        yield throw


FRAMES = {
    "request": requests,
    "reply": replies,
    "message": messages,
    "segment": segments,
    "record": records,
    "event": events,
}
