"""Servers that do not keep to the wire forms: what each does, and the reason that the bridge has to give for it.

They know docs/wire-*.md. For the honest client beside them they have a listener of nsbridge, which gets one turn.
"""

import os
import shutil
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from nsbridge.media.base import Stream
from nsbridge.media.table import medium
from tests.fuzz import wire

from .rogue_clients import BREAK, CLOSE, DATA, HELLO, NOISE, SEGMENT, Maker, MntClient, file, link, segments

Server = TypeVar("Server")
_QUIET = 0.3  # seconds in which the bridge takes nothing


@dataclass(frozen=True)
class Deed(Generic[Server]):
    """What a server does to the next stream."""

    reason: str
    answer: Callable[[Server], object] = lambda _: None
    """What it does when the client is there."""
    before: Callable[[Server], object] = lambda _: None
    """What it does before."""
    after: Callable[[Server], object] = lambda _: None
    """How it sets right what it did before."""


class NetServer:
    """Accepts, and resets in the end."""

    def __init__(self, address: str, port: str) -> None:
        self.place = address, int(port)
        self.listen()

    def listen(self) -> None:
        """Listen, perhaps again."""
        self.door = socket.create_server(self.place)

    def serve_honestly(self) -> None:
        """Echo one stream in a thread."""
        one = self.door.accept()[0]

        def echo() -> None:
            while data := one.recv(65536):
                one.sendall(data)
            one.close()

        threading.Thread(target=echo, daemon=True).start()

    def reset(self, said: bytes = b"") -> None:
        """Accept, say something, and reset the connection once it is acknowledged."""
        one = self.door.accept()[0]
        one.sendall(said)
        self._reset(one)

    def flood(self) -> None:
        """Accept, and say as much as is taken."""
        one = self.door.accept()[0]
        one.settimeout(_QUIET)
        with suppress(TimeoutError):
            while True:
                one.send(b"." * 65536)
        self._reset(one)

    def close(self) -> None:
        """Listen no more."""
        self.door.close()

    @staticmethod
    def _reset(one: socket.socket) -> None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()


class _Listening:
    """A listener of nsbridge, for the honest."""

    def __init__(self, *words: str) -> None:
        self._medium = medium(*words)
        self._listener = self._medium.listen()

    def serve_honestly(self) -> None:
        """Echo one stream."""
        stream: Stream = self._listener.accept()
        stream.carry(stream, lambda _: stream.close())

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()
        self._medium.close()


class IpcServer(_Listening):
    """Answers, or puts messages, otherwise than it should."""

    def __init__(self, key: str) -> None:
        super().__init__("ipc", key)
        self.key = int(key)
        self.opens, self.replies = wire.msgget(self.key), wire.msgget(self.key << 15)
        self.keys = (self.key << 15) + 30001, (self.key << 15) + 30002
        self.queues: list[int] = []

    def reply(self, body: bytes) -> None:
        """Wait for a request and answer it."""
        request = None
        while request is None:
            request = wire.receive(self.opens, 1)
        assert wire.send(self.replies, struct.unpack("=II", request)[1], body)

    def say(self, *messages: tuple[int, bytes]) -> None:
        """Open the stream with these messages in the queue that goes down."""
        self.queues = [wire.make(key) for key in self.keys]
        for kind, body in messages:
            assert wire.send(self.queues[1], kind, body)
        self.reply(struct.pack("=Iii", 1, *self.keys))

    def vanish(self) -> None:
        """Open the stream, and remove its queues once the bridge has come."""
        self.say((HELLO, b""))
        while wire.waiting(self.queues[1]):
            time.sleep(0.001)
        self.remove()

    def flood(self) -> None:
        """Open the stream, and say as much as is taken."""
        self.say((HELLO, b""))
        since = time.monotonic()
        while time.monotonic() - since < _QUIET:
            if wire.send(self.queues[1], DATA, b"." * 8192):
                since = time.monotonic()
        self.remove()

    def remove(self) -> None:
        """Remove the stream's queues."""
        for queue in self.queues:
            wire.remove(queue)
        self.queues = []


class MntServer(_Listening):
    """Plants what does not belong where a stream is, or should be."""

    def __init__(self, path: str) -> None:
        super().__init__("mnt", path)
        self.path = Path(path)
        self.decoy = MntClient(path)
        self.known: set[str] = set()

    def serve_honestly(self) -> None:
        """Echo one stream."""
        super().serve_honestly()
        self.known = set(os.listdir(self.path / "open"))

    def stream(self) -> Path:
        """Wait for the next stream, and return its folder."""
        new: set[str] = set()
        while not new:
            new = set(os.listdir(self.path / "open")) - self.known
        self.known |= new
        return self.path / "open" / new.pop()

    def plant(self, then: Maker = lambda _: None, **makers: Maker) -> None:
        """Put something into the next stream's folder; then wait until the bridge writes there, and go on."""
        place = self.stream()
        with suppress(OSError):
            for name, make in makers.items():
                make(place / name.replace("_", "/"))
            while place.exists() and not (place / "up/0").exists():
                time.sleep(0.001)
            then(place)

    def replace(self, name: str, make: Maker) -> None:
        """Put something in the place of a part of the rendezvous."""
        (self.path / name).rename(self.path / f"{name}.away")
        make(self.path / name)

    def put_back(self, name: str) -> None:
        """Have the right thing there again."""
        with suppress(FileNotFoundError):
            (self.path / name).unlink()
        (self.path / f"{name}.away").rename(self.path / name)


def _replaced(name: str, make: Maker, reason: str) -> Deed[MntServer]:
    return Deed(reason, before=lambda s: s.replace(name, make), after=lambda s: s.put_back(name))


def _said(reason: str, *messages: tuple[int, bytes]) -> Deed[IpcServer]:
    return Deed(reason, lambda s: s.say(*messages), after=IpcServer.remove)


def _replied(reason: str, body: bytes) -> Deed[IpcServer]:
    return Deed(reason, lambda s: s.reply(body))


_RESET = "net: "  # reset by peer, or a broken pipe to who writes just then
NET: dict[str, Deed[NetServer]] = {
    "nobody listens": Deed("Connection refused", before=NetServer.close, after=NetServer.listen),
    "silence, then a reset": Deed(_RESET, NetServer.reset),
    "garbage, then a reset": Deed(_RESET, lambda s: s.reset(NOISE)),
    "an endless line, then a reset": Deed(_RESET, NetServer.flood),
}

_NO_REPLY, _PLACE = "which is no reply", "in the place of HELLO"
IPC: dict[str, Deed[IpcServer]] = {
    "an empty reply": _replied(_NO_REPLY, b""),
    "a truncated reply": _replied(_NO_REPLY, struct.pack("=Ii", 1, 5)),
    "a reply that is too long": _replied(_NO_REPLY, struct.pack("=Iiii", 1, 5, 6, 7)),
    "an endless line for a reply": _replied(_NO_REPLY, NOISE),
    "a version from the future": _replied("its wire form is version 2", struct.pack("=Iii", 2, 0, 0)),
    "a version from the future, with keys": _replied("its wire form is version 2", struct.pack("=Iii", 2, 5, 6)),
    "keys of no queues": Deed("opens no stream", lambda s: s.reply(struct.pack("=Iii", 1, *s.keys))),
    "keys of other queues": Deed("refuses", lambda s: s.reply(struct.pack("=Iii", 1, s.key, s.key << 15))),
    "one key for both": Deed("refuses", lambda s: s.reply(struct.pack("=Iii", 1, s.keys[0], s.keys[0]))),
    "negative keys": _replied("refuses a stream", struct.pack("=Iii", 1, -5, -6)),
    "a key that would make a queue": Deed("refuses", lambda s: s.reply(struct.pack("=Iii", 1, s.keys[0], 0))),
    "no HELLO": _said("without HELLO"),
    "data for HELLO": _said(_PLACE, (DATA, b"x")),
    "a type that no int holds for HELLO": _said("without HELLO", (2**40, b"")),
    "HELLO of the wrong length": _said(_PLACE, (HELLO, bytes(3))),
    "HELLO twice": _said("0 bytes and type 2, which has no place here", (HELLO, b""), (HELLO, b"")),
    "an unknown type": _said("2 bytes and type 9, which has no place here", (HELLO, b""), (9, b"xy")),
    "a type that no int holds": _said("ipc: ", (HELLO, b""), (2**40, b"")),
    "CLOSE": _said("the other side closed before the end", (HELLO, b""), (CLOSE, b"")),
    "BREAK": _said("the other side broke the stream off", (HELLO, b""), (BREAK, b"")),
    "queues that vanish": Deed("the queue was removed", IpcServer.vanish),
    "an endless line, then queues that vanish": Deed("the queue was removed", IpcServer.flood),
}

_TO_FILE, _TO_NOTHING, _TO_FOLDER = (link(to) for to in ("../../../decoy/0", "../../../decoy/1", "decoy"))
_CANNOT, _LONG = "cannot open a stream", "segment 0 is larger than 131072 bytes"
_BROKEN = "the other side broke the stream off"


def _planted(reason: str, then: Maker = lambda _: None, **makers: Maker) -> Deed[MntServer]:
    return Deed(reason, lambda s: s.plant(then, **makers))


MNT: dict[str, Deed[MntServer]] = {
    "no lock": _replaced("lock", lambda _: None, "nobody serves"),
    "a symbolic link for the lock": _replaced("lock", link("lock.away"), "nobody serves"),
    "a FIFO for the lock": _replaced("lock", os.mkfifo, "nobody serves"),
    "a FIFO for new": _replaced("new", os.mkfifo, _CANNOT),
    "a symbolic link to a file for new": _replaced("new", link("decoy/0"), _CANNOT),
    "a FIFO for open": _replaced("open", os.mkfifo, _CANNOT),
    "a symbolic link to nothing for open": _replaced("open", link("decoy/1"), _CANNOT),
    "a FIFO for a segment": _planted("segment 0 is not a regular file", down_0=os.mkfifo),
    "a folder for a segment": _planted("segment 0: Is a directory", down_0=Path.mkdir),
    "a symbolic link for a segment": _planted("segment 0: Too many levels of symbolic", down_0=_TO_FILE),
    "an unreadable segment": _planted("segment 0: Permission denied", down_0=file(b"x", 0)),
    "a segment that is too long": _planted(_LONG, down_0=file(SEGMENT + b"x")),
    "an endless line in one segment": _planted(_LONG, down_0=file(NOISE * 100)),
    "an endless line in too many": _planted("more than 3 segments", segments("down")),
    "a FIFO where the bridge writes": _planted("cannot write segment 1: File exists", up_1=os.mkfifo),
    "a symbolic link where the bridge writes": _planted("cannot write segment 1: File exists", up_1=_TO_NOTHING),
    "a stream that vanishes": _planted(_BROKEN, shutil.rmtree),
    "a direction that vanishes": _planted(_BROKEN, lambda place: shutil.rmtree(place / "down")),
    "a stream that is moved away": _planted(_BROKEN, lambda place: place.rename(f"{place}.away")),
}
