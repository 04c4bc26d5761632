"""Clients that do not keep to the wire forms: what each does, and the reason that the bridge has to give for it.

They know docs/wire-*.md and call no code of nsbridge. Each act returns what tells whether its stream was closed.
"""

import os
import random
import shutil
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

from tests.fuzz import wire

Closed = Callable[[], bool]
Maker = Callable[[Path], object]
HELLO, DATA, END, BREAK, CLOSE = 2, 3, 4, 5, 6
NOISE = random.Random(1).randbytes(1 << 16)
SEGMENT = 2 * NOISE  # as large as docs/wire-mnt.md allows
_numbers = count(1)


def _soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class NetClient:
    """Connects, and resets in the end: whatever else it sends means nothing to the bridge."""

    def __init__(self, address: str, port: str) -> None:
        self.place = address, int(port)

    def reset(self, said: bytes = b"") -> Closed:
        """Say something, wait for an answer, and reset the connection."""
        client = socket.create_connection(self.place)
        client.sendall(said)
        if said:
            assert client.recv(1)
        return self._reset(client)

    def flood(self) -> Closed:
        """Send a line without an end and read nothing; then reset."""
        client = socket.create_connection(self.place)
        client.settimeout(0.3)
        with suppress(TimeoutError):
            while True:
                client.send(b"." * 65536)
        return self._reset(client)

    @staticmethod
    def _reset(client: socket.socket) -> Closed:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        return lambda: True


class IpcClient:
    """Puts messages where none, or others, belong."""

    def __init__(self, key: str) -> None:
        self.opens, self.replies = wire.msgget(int(key)), wire.msgget(int(key) << 15)

    def ask(self, kind: int, body: bytes) -> Closed:
        """Send something to the queue of requests."""
        assert wire.send(self.opens, kind, body)
        return lambda: True

    def ask_in_version(self, version: int) -> Closed:
        """Ask for a stream in another version of the wire form, and be told of the right one."""
        token = os.getpid() + next(_numbers)
        self.ask(1, struct.pack("=II", version, token))
        return lambda: wire.receive(self.replies, token) == struct.pack("=Iii", 1, 0, 0)

    def open(self) -> tuple[int, int]:
        """Return the queues of a new stream, up and down."""
        token = os.getpid() + next(_numbers)
        self.ask(1, struct.pack("=II", 1, token))
        reply = None
        while reply is None:
            reply = wire.receive(self.replies, token)
        _, up, down = struct.unpack("=Iii", reply)
        return wire.msgget(up), wire.msgget(down)

    def say(self, *messages: tuple[int, bytes]) -> Closed:
        """Open a stream and put messages into it."""
        up, down = self.open()
        for kind, body in messages:
            assert wire.send(up, kind, body)
        return lambda: wire.waiting(up) is None and wire.waiting(down) is None

    def flood(self) -> tuple[int, int]:
        """Open a stream, and send a line without an end into it until nobody reads any more."""
        up, down = self.open()
        assert wire.send(up, HELLO, b"")
        since = time.monotonic()
        while time.monotonic() - since < 0.3:
            if wire.send(up, DATA, b"." * 8192):
                since = time.monotonic()
        return up, down

    def flood_and_break(self) -> Closed:
        """Break off a stream that is full, as docs/wire-ipc.md wants it."""
        up, down = self.flood()
        while wire.receive(up, 0) is not None:
            pass
        assert wire.send(up, BREAK, b"")
        _soon(lambda: wire.receive(down, 0) is None and wire.waiting(down) is None)
        return lambda: wire.waiting(up) is None

    def flood_and_go_on(self) -> Closed:
        """Say END in a stream that is full, and then go on; its echo is read no further than to there."""
        up, down = self.flood()
        assert wire.send(up, END, b"")
        assert wire.send(up, DATA, b"")
        while (wire.waiting(up) or 0) > 1:
            wire.receive(down, 0)
            time.sleep(0.005)  # slowly: most of the echo is to be on its way yet, else the stream might be over
        return lambda: wire.waiting(up) is None


class MntClient:
    """Plants what does not belong where a stream is, or should be."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.decoy = Path(path, "decoy")  # what nobody may touch, though symbolic links lead there
        if not self.decoy.exists():
            self.decoy.mkdir()
            (self.decoy / "0").write_bytes(b"decoy")

    def put(self, make: Maker, version: str = "1-", then: Maker = lambda _: None) -> Closed:
        """Let `make` make something, open it as a stream, and let `then` go on with it."""
        name = f"{version}rogue{next(_numbers)}"
        place = self.path / "open" / name
        make(self.path / "new" / name)
        (self.path / "new" / name).rename(place)
        with suppress(OSError):
            then(place)
        return lambda: not os.path.lexists(place) and self.untouched()

    def plant(self, then: Maker = lambda _: None, **makers: Maker) -> Closed:
        """Put something into a stream's folder before it is opened: `up_0` makes `up/0`."""

        def whole(place: Path) -> None:
            stream(place)
            for name, make in makers.items():
                make(place / name.replace("_", "/"))

        return self.put(whole, then=then)

    def untouched(self) -> bool:
        """Whether the decoy is as it was."""
        return os.listdir(self.decoy) == ["0"] and (self.decoy / "0").read_bytes() == b"decoy"


def stream(place: Path) -> None:
    """Make a stream's folder."""
    for folder in (place, place / "up", place / "down"):
        folder.mkdir()
        folder.chmod(0o777)


def without(part: str) -> Maker:
    """Make a stream's folder that lacks something."""

    def make(place: Path) -> None:
        stream(place)
        (place / part).rmdir()

    return make


def file(data: bytes, mode: int = 0o644) -> Maker:
    """Make a file, which never has another mode."""

    def make(place: Path) -> None:
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as new:
            new.write(data)

    return make


def link(target: str) -> Maker:
    """Make a symbolic link."""
    return lambda place: place.symlink_to(target)


def vanish(place: Path) -> None:
    """Remove a stream's folder as soon as its echo begins."""
    while not (place / "down/0").exists():
        time.sleep(0.001)
    shutil.rmtree(place)


def segments(folder: str) -> Maker:
    """Write one segment after another, without a look at the other side's, until the folder is gone."""

    def write(place: Path) -> None:
        for number in range(1000):
            (place / folder / str(number)).write_bytes(SEGMENT)

    return write


_RESET = "net: "  # reset by peer, or a broken pipe to who writes just then
NET: dict[str, tuple[Callable[[NetClient], Closed], str]] = {
    "silence, then a reset": (NetClient.reset, _RESET),
    "garbage, then a reset": (lambda c: c.reset(NOISE), _RESET),
    "an endless line, then a reset": (NetClient.flood, _RESET),
}

IPC: dict[str, tuple[Callable[[IpcClient], Closed], str]] = {
    "garbage for a request": (lambda c: c.ask(7, NOISE[:100]), "no request to open a stream: 100 bytes of type 7"),
    "an endless line for a request": (lambda c: c.ask(1, NOISE), "65536 bytes of type 1"),
    "a truncated request": (lambda c: c.ask(1, bytes(3)), "3 bytes of type 1"),
    "an empty request": (lambda c: c.ask(1, b""), "0 bytes of type 1"),
    "a request that is too long": (lambda c: c.ask(1, struct.pack("=III", 1, 1, 1)), "12 bytes of type 1"),
    "a request of a type that no int holds": (lambda c: c.ask(2**40, struct.pack("=II", 1, 1)), "no request"),
    "a request without a token": (lambda c: c.ask(1, struct.pack("=II", 1, 0)), "no request to open"),
    "a version from the future": (lambda c: c.ask_in_version(2), "a request in version 2"),
    "data before HELLO": (lambda c: c.say((DATA, b"x")), "1 bytes and type 3 in the place of HELLO"),
    "HELLO of the wrong length": (lambda c: c.say((HELLO, bytes(3))), "3 bytes and type 2 in the place of HELLO"),
    "HELLO twice": (lambda c: c.say((HELLO, b""), (HELLO, b"")), "0 bytes and type 2, which has no place here"),
    "an unknown type": (lambda c: c.say((HELLO, b""), (9, b"xy")), "2 bytes and type 9, which has no place here"),
    "a type that no int holds": (lambda c: c.say((HELLO, b""), (2**40, b"")), "ipc: "),
    "CLOSE before the end": (lambda c: c.say((HELLO, b""), (CLOSE, b"")), "the other side closed before the end"),
    "BREAK": (lambda c: c.say((HELLO, b""), (BREAK, b"")), "the other side broke the stream off"),
    "an endless line, then BREAK": (IpcClient.flood_and_break, "the other side broke the stream off"),
    "data after the end": (IpcClient.flood_and_go_on, "message of type 3 after the end"),
}

_TO_DECOY, _TO_FILE, _TO_NOTHING = (link(f"{'../' * up}decoy{name}") for up, name in ((1, ""), (4, "/0"), (4, "/1")))
_NO_STREAM, _GONE = "is no stream: ", "the process on the other side is gone"
_LONG, _MANY = "segment 0 is larger than 131072 bytes", "more than 3 segments"

MNT: dict[str, tuple[Callable[[MntClient], Closed], str]] = {
    "a file for a stream": (lambda c: c.put(file(b"")), _NO_STREAM),
    "a FIFO for a stream": (lambda c: c.put(os.mkfifo), _NO_STREAM),
    "a symbolic link for a stream": (lambda c: c.put(_TO_DECOY), _NO_STREAM),
    "a stream without up": (lambda c: c.put(without("up")), _NO_STREAM),
    "a stream without down": (lambda c: c.put(without("down")), _NO_STREAM),
    "a version from the future": (lambda c: c.put(stream, "2-"), "is no stream of version 1-"),
    "no version": (lambda c: c.put(stream, ""), "is no stream of version 1-"),
    "a name that is no UTF-8": (lambda c: c.put(file(b""), "1-\udcff"), r"1-\udcff"),
    "a name with a line break": (lambda c: c.put(file(b""), "1-\nbridge: "), r"1-\nbridge: "),
    "a version with a line break": (lambda c: c.put(stream, "\n"), "is no stream of version 1-"),
    "a FIFO for a segment": (lambda c: c.plant(up_0=os.mkfifo), "segment 0 is not a regular file"),
    "a folder for a segment": (lambda c: c.plant(up_0=Path.mkdir), "segment 0: Is a directory"),
    "a symbolic link for a segment": (lambda c: c.plant(up_0=_TO_FILE), "segment 0: Too many levels of symbolic"),
    "an unreadable segment": (lambda c: c.plant(up_0=file(b"x", 0)), "segment 0: Permission denied"),
    "a segment that is too long": (lambda c: c.plant(up_0=file(SEGMENT + b"x")), _LONG),
    "an endless line in one segment": (lambda c: c.plant(up_0=file(NOISE * 100)), _LONG),
    "an endless line in too many": (lambda c: c.plant(segments("up")), _MANY),
    "a FIFO where the bridge writes": (lambda c: c.plant(down_0=os.mkfifo, up_0=file(b"x")), "File exists"),
    "a symbolic link where the bridge writes": (
        lambda c: c.plant(down_0=_TO_NOTHING, up_0=file(b"x")),
        "File exists",
    ),
    "a symbolic link where the bridge ends": (
        lambda c: c.plant(down_end=_TO_NOTHING, up_end=file(b"")),
        "File exists",
    ),
    "a symbolic link for the lock": (lambda c: c.plant(up_lock=_TO_FILE), _GONE),
    "a FIFO for the lock": (lambda c: c.plant(up_lock=os.mkfifo), _GONE),
    "a stream that vanishes": (lambda c: c.plant(vanish, up_0=file(b"x")), "the other side broke the stream off"),
}
