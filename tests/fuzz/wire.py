"""Garbage for who listens on NET, IPC and MNT, from a seed; calls no code of nsbridge.

Types and sizes are often those of the wire form, for what is almost right goes deepest.
"""

import ctypes
import errno
import os
import random
import shutil
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_libc = ctypes.CDLL(None, use_errno=True)
_libc.msgrcv.restype = ctypes.c_ssize_t
_libc.msgrcv.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_int]
_libc.msgsnd.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_NOWAIT, _NOERROR = 0o4000, 0o10000
_CREATE, _RMID, _STAT = 0o1000, 0, 2
_QNUM = 80  # bytes before msg_qnum in struct msqid_ds
TYPES = (1, 2, 3, 4, 5, 6, 7, 16, 2**31 - 1, 2**31, 2**40, 2**63 - 1)
SIZES = (0, 0, 1, 3, 4, 7, 8, 8, 8, 9, 12, 100, 2048, 8192)


def msgget(key: int) -> int:
    """Return the queue of a key, or -1."""
    return int(_libc.msgget(key, 0))


def make(key: int) -> int:
    """Make a queue, or return the one that is there."""
    return int(_libc.msgget(key, _CREATE | 0o666))


def remove(queue: int) -> None:
    """Remove a queue."""
    _libc.msgctl(queue, _RMID, None)


def waiting(queue: int) -> int | None:
    """Return how many messages are in a queue; None if it is gone."""
    about = ctypes.create_string_buffer(256)
    if _libc.msgctl(queue, _STAT, about) != 0:
        return None
    return int(struct.unpack_from("=Q", about, _QNUM)[0])


def send(queue: int, kind: int, body: bytes) -> bool:
    """Put a message into a queue, if it has room."""
    data = struct.pack("=q", kind) + body
    return bool(_libc.msgsnd(queue, data, len(body), _NOWAIT) == 0)


def receive(queue: int, kind: int) -> bytes | None:
    """Take a message of a type from a queue; of any for 0."""
    found = take(queue, kind)
    return None if found is None else found[1]


def take(queue: int, kind: int = 0) -> tuple[int, bytes] | None:
    """Take a message of a type from a queue, and return its type as well."""
    buffer = ctypes.create_string_buffer(8 + 65536)
    size = _libc.msgrcv(queue, buffer, 65536, kind, _NOWAIT | _NOERROR)
    return (int(struct.unpack_from("=q", buffer)[0]), buffer.raw[8 : 8 + size]) if size >= 0 else None


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


class IpcGarbage:
    """One input after another at a well-known key."""

    def __init__(self, key: int, dice: random.Random) -> None:
        """Remember where to throw it."""
        self.key, self.dice = key, dice
        self.opens, self.replies = msgget(key), msgget(key << 15)
        self.streams: list[tuple[int, int]] = []
        self.left: list[tuple[int, int]] = []

    def throw(self) -> None:
        """Throw one."""
        where = self.dice.random()
        if where < 0.45 and self.streams:
            send(self.dice.choice(self.dice.choice(self.streams)), self._kind(), self._body())
        elif where < 0.6 and self.streams:
            self.left.append(self.streams.pop(self.dice.randrange(len(self.streams))))
            send(self.left[-1][0], self.dice.choice((5, 6, 2**40)), b"")
        elif where < 0.75:
            send(self.opens, self._kind(), self._body())
        elif where < 0.85:
            send(self.replies, self._kind(), self._body())
        else:
            self._open(self.dice.choice((1, 1, 1, 1, 0, 2, 2**32 - 1)))
        if len(self.streams) > 40:
            self.left.append(self.streams.pop(0))
        if len(self.left) > 100:
            self._leave(*self.left.pop(0))

    def _open(self, version: int) -> None:
        token = self.dice.choice((os.getpid(), os.getpid(), 2**31 - 1, 1, 0))
        send(self.opens, 1, struct.pack("=II", version, token))
        reply = receive(self.replies, token or 1)
        if reply is not None and len(reply) == 12:
            _, up, down = struct.unpack("=Iii", reply)
            if up:
                if self.dice.random() < 0.8:
                    send(msgget(up), 2, b"")
                self.streams.append((msgget(up), msgget(down)))

    def _kind(self) -> int:
        return self.dice.choice(TYPES)

    def _body(self) -> bytes:
        if self.dice.random() < 0.3:
            return struct.pack("=II", self.dice.choice((0, 1, 2, 2**31)), self.dice.choice((0, 1, 2**31, 2**32 - 1)))
        return self.dice.randbytes(self.dice.choice(SIZES))

    def stop(self) -> None:
        """Break off what is still open."""
        for stream in (*self.streams, *self.left):
            self._leave(*stream)

    @staticmethod
    def _leave(up: int, down: int) -> None:
        """Say BREAK, and read until the queue is gone, as the wire form wants it."""
        said = False
        while True:
            said = said or send(up, 5, b"")
            if receive(down, 0) is None and ctypes.get_errno() in (errno.EIDRM, errno.EINVAL):
                return


def _append(place: Path) -> BinaryIO:
    """Open a file to append to it; never through a symbolic link, and without waiting for a FIFO's reader."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.fdopen(os.open(place, flags, 0o644), "ab")


class MntGarbage:
    """One input after another in a folder."""

    NAMES = ("0", "1", "2", "3", "5", "9", "-1", "end", "lock", "x", "0x0", " 0", "18446744073709551616")

    def __init__(self, path: Path, dice: random.Random) -> None:
        """Remember where to throw it."""
        self.path, self.dice = path, dice
        self.count = 0
        self.decoy = path / "decoy"  # what nobody may touch, though symbolic links lead there
        for part in ("", "up", "down"):
            (self.decoy / part).mkdir()
        for name in ("0", "up/0", "down/0"):
            (self.decoy / name).write_bytes(b"decoy")

    def throw(self) -> None:
        """Throw one."""
        with suppress(OSError):
            streams = sorted((self.path / "open").glob("*fuzz*"))
            if len(streams) > 40:
                shutil.rmtree(streams[0], ignore_errors=True)
            elif self.dice.random() < 0.25 or not streams:
                self._open()
            else:
                self._meddle(self.dice.choice(streams))

    def stop(self) -> None:
        """Remove what is still open; nobody may have touched the decoy."""
        left = {str(each.relative_to(self.decoy)) for each in self.decoy.rglob("*")}
        assert left == {"0", "up", "up/0", "down", "down/0"}, left
        assert all((self.decoy / name).read_bytes() == b"decoy" for name in ("0", "up/0", "down/0"))
        for stream in (self.path / "open").glob("*fuzz*"):
            if stream.is_dir() and not stream.is_symlink():
                shutil.rmtree(stream, ignore_errors=True)

    def _open(self) -> None:
        self.count += 1
        version = self.dice.choice(("1-", "1-", "1-", "1-", "1-", "2-", "", "-", "1", "1-\udcff", "1-\n", "\n"))
        name = f"{version}{'' if version == '1-' else '-'}fuzz{self.count}"
        new = self.path / "new" / name
        made = self.dice.random()
        if made < 0.05:
            new.write_bytes(b"no folder")
        elif made < 0.1:
            new.symlink_to(self.decoy)
        else:
            new.mkdir()
            for part in ("up", "down"):
                if self.dice.random() < 0.95:
                    self._part(new / part)
        new.rename(self.path / "open" / name)

    def _part(self, part: Path) -> None:
        kind = self.dice.random()
        if kind < 0.9:
            part.mkdir()
            part.chmod(0o777)
        elif kind < 0.95:
            part.symlink_to(self.decoy)
        else:
            part.write_bytes(b"")

    def _meddle(self, stream: Path) -> None:
        part = stream / self.dice.choice(("up", "up", "down"))
        place = part / self.dice.choice(self.NAMES)
        if stream.is_symlink() or part.is_symlink():
            return
        choice = self.dice.randrange(12)
        if choice < 5:
            with _append(place) as file:
                file.write(self.dice.randbytes(self.dice.choice((0, 1, 100, 4096, 65536, 131073))))
                os.fchmod(file.fileno(), self.dice.choice((0o644, 0o644, 0o644, 0)))
        elif choice == 5:
            place.symlink_to(self.dice.choice((str(self.decoy / "0"), "/dev/zero", "0", "nowhere")))
        elif choice == 6:
            os.mkfifo(place)
        elif choice == 7:
            place.mkdir()
        elif choice == 8:
            place.unlink()
        elif choice == 9:
            with _append(place) as file:
                file.truncate(self.dice.choice((0, 1, 1 << 30)))
        elif choice == 10:
            part.rename(stream / "elsewhere")
        else:
            shutil.rmtree(stream)
