"""The medium of IPC: System V message queues, two for a stream; knows nothing of namespaces.

The wire form is in docs/wire-ipc.md. In short: the opener sends OPEN to the queue of the well-known key and
gets the keys of two new queues back, one for each direction. The listener made them and removes them; a queue
that is gone (EIDRM) is a break.

Source: sysvipc(7), msgop(2).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
from pathlib import Path

import sysv_ipc

from nsbridge.errors import Broken, Refused, StreamError, UsageError
from nsbridge.media.base import Buffer, Ends, Listener, Medium, Stream, spawn
from nsbridge.media.peers import Peers

VERSION = 1
OPEN, HELLO, DATA, END, BREAK, CLOSE = 1, 2, 3, 4, 5, 6
FIRST_TOKEN = 16  # a token is a message type, and must not be one of those above
REQUEST = struct.Struct("=II")  # version, token
REPLY = struct.Struct("=Iii")  # version, key of up, key of down; both keys 0: refused
_NO_KEY = 0


def _largest_message() -> int:
    """Return msgmax of the IPC namespace this process is in, in bytes."""
    try:
        return int(Path("/proc/sys/kernel/msgmax").read_bytes())
    except (OSError, ValueError):
        return 8192


def _make_queue(key: int) -> sysv_ipc.MessageQueue:
    return sysv_ipc.MessageQueue(key, sysv_ipc.IPC_CREX, mode=0o666, max_message_size=_largest_message())


def _stream_keys(base: int) -> range:
    """Return the keys of the streams that are opened at key `base`: its own, so that they can be found again."""
    return range((base << 15) + 1, (base + 1) << 15)


class IpcStream(Stream):
    """Two queues; `listening` says on which side of the wire this is."""

    def __init__(
        self,
        incoming: sysv_ipc.MessageQueue,
        outgoing: sysv_ipc.MessageQueue,
        peers: Peers,
        *,
        listening: bool,
    ) -> None:
        """Take over the two queues and introduce this process to the other side."""
        self._in, self._out = incoming, outgoing
        self._listening = listening
        self._ends = Ends()
        self._peers = peers
        self._peer = 0
        self._closed = False
        self._chunk = min(_largest_message(), outgoing.max_size)
        self._signal(HELLO)

    def read(self) -> bytes:
        """Wait for a message; see Stream."""
        while not self._ends.received:
            self._ends.check()
            data, kind = self._receive()
            if kind == DATA:
                return data
            self._control(kind)
        return b""

    def write(self, data: Buffer) -> None:
        """Send the data in messages of at most msgmax bytes; see Stream."""
        chunk = self._chunk
        if len(data) <= chunk:
            self._send(bytes(data))
            return
        view = memoryview(data)
        for start in range(0, len(view), chunk):
            self._send(bytes(view[start : start + chunk]))

    def offer(self, data: Buffer) -> int:
        """Send messages while the queue takes them; see Stream."""
        view, sent = memoryview(data), 0
        while sent < len(view):
            piece = bytes(view[sent : sent + self._chunk])
            try:
                self._send(piece, block=False)
            except sysv_ipc.BusyError:
                break
            sent += len(piece)
        return sent

    def end(self) -> None:
        """Send END; see Stream."""
        if not self._ends.sent and self._ends.broken is None:
            self._ends.sent = True
            self._signal(END)

    def abort(self) -> None:
        """Remove the queues if they are ours, else send BREAK; see Stream."""
        self._lose("the stream was broken off")

    def close(self) -> None:
        """See Stream. The listener's side keeps its queues until the opener says CLOSE: it may still read."""
        if self._closed:
            return
        self._closed = True
        if not self._ends.clean:
            self.abort()
        elif not self._listening:
            self._signal(CLOSE)
            self._peers.forget(self._peer, self)

    def lost(self) -> None:
        """Be told that the process on the other side is gone (from any thread)."""
        if self._ends.received:
            self._lose("ipc: the process on the other side is gone")
        else:
            # behind what it still sent: that much is read, and then the break
            self._signal(BREAK, self._in)

    def _receive(self) -> tuple[bytes, int]:
        try:
            message: tuple[bytes, int] = self._in.receive()
        except (sysv_ipc.Error, OSError, OverflowError) as error:
            raise self._break(error) from None
        return message

    def _control(self, kind: int) -> None:
        """Act on a message without data."""
        if kind == HELLO:
            self._peer = self._in.last_send_pid
            self._peers.watch(self._peer, self)
        elif kind == END:
            self._ends.received = True
            if self._listening:
                spawn(self._linger)
        elif kind == BREAK:
            self._lose("ipc: the other side broke the stream off")
        elif kind == CLOSE:
            self._lose("ipc: the other side closed before the end")
        else:
            self._lose(f"ipc: message of unknown type {kind}")

    def _linger(self) -> None:
        """After the opener's end: wait for its CLOSE, and then remove the queues; it may break off yet."""
        with contextlib.suppress(StreamError):
            kind = self._receive()[1]
            if kind == CLOSE and self._ends.sent:
                self._remove()
            else:
                self._control(kind)

    def _send(self, data: bytes, *, block: bool = True) -> None:
        self._ends.check()
        try:
            self._out.send(data, block, type=DATA)
        except sysv_ipc.BusyError:
            raise
        except (sysv_ipc.Error, OSError) as error:
            raise self._break(error) from None

    def _signal(self, kind: int, queue: sysv_ipc.MessageQueue | None = None) -> None:
        """Send a message without data; it fits into any queue that is full of bytes."""
        try:
            (queue or self._out).send(b"", type=kind)
        except (sysv_ipc.Error, OSError):
            self._ends.broken = self._ends.broken or "ipc: the queue is gone"

    def _break(self, error: Exception) -> Broken:
        if self._ends.broken is None:
            self._lose(
                "ipc: the queue was removed" if isinstance(error, sysv_ipc.ExistentialError) else f"ipc: {error}"
            )
        return Broken(str(self._ends.broken))

    def _lose(self, reason: str) -> None:
        """Break the stream, and wake whoever waits on it."""
        if self._ends.broken is None:
            self._ends.broken = reason
            self._peers.forget(self._peer, self)
            if self._listening:
                self._remove()
            else:
                self._drain()
                self._signal(BREAK)
                self._signal(BREAK, self._in)

    def _drain(self) -> None:
        """Take back what nobody will read, so that a writer that waits for room goes on to see the break."""
        with contextlib.suppress(sysv_ipc.Error):
            while True:
                self._out.receive(block=False)

    def _remove(self) -> None:
        self._peers.forget(self._peer, self)
        for queue in (self._in, self._out):
            with contextlib.suppress(sysv_ipc.Error):
                queue.remove()


class IpcListener(Listener):
    """The queue of the well-known key."""

    def __init__(self, base: int, queue: sysv_ipc.MessageQueue, alive: sysv_ipc.Semaphore, peers: Peers) -> None:
        """Take over the queue, and the semaphore that says that somebody serves it."""
        self._queue, self._alive, self._peers = queue, alive, peers
        self._keys = itertools.cycle(_stream_keys(base))

    def accept(self) -> IpcStream:
        """Wait for an OPEN and answer it; see Listener."""
        while True:
            try:
                body, _ = self._queue.receive(type=OPEN)
            except (sysv_ipc.Error, OSError) as error:
                raise Broken(f"ipc: the queue of the well-known key was removed ({error})") from None
            if len(body) != REQUEST.size:
                continue
            version, token = REQUEST.unpack(body)
            if token < FIRST_TOKEN or token >= 2**31:
                continue
            if version != VERSION:
                self._queue.send(REPLY.pack(VERSION, _NO_KEY, _NO_KEY), type=token)
                continue
            return self._open(token)

    def _open(self, token: int) -> IpcStream:
        up, down = self._new_queue(), self._new_queue()
        stream = IpcStream(up, down, self._peers, listening=True)
        self._queue.send(REPLY.pack(VERSION, up.key, down.key), type=token)
        return stream

    def _new_queue(self) -> sysv_ipc.MessageQueue:
        while True:
            with contextlib.suppress(sysv_ipc.ExistentialError):
                return _make_queue(next(self._keys))

    def close(self) -> None:
        """Remove the queue, which wakes `accept`; see Listener."""
        for part in (self._queue, self._alive):
            with contextlib.suppress(sysv_ipc.Error):
                part.remove()


class Ipc(Medium):
    """A well-known key."""

    kind = "ipc"

    def __init__(self, key: int = 5566) -> None:
        """Args: the key of the queue at which streams are opened, from 1 to 65535."""
        self.key = key
        self._peers = Peers()

    def listen(self) -> IpcListener:
        """Make the queue of the key, and the semaphore that the kernel takes back when this process dies."""
        if self._served():
            raise UsageError(f"message queue {self.key} is served already; end that server or give another key")
        self._clear()
        alive = sysv_ipc.Semaphore(self.key, sysv_ipc.IPC_CREX, mode=0o666)
        alive.undo = True
        alive.release()
        return IpcListener(self.key, _make_queue(self.key), alive, self._peers)

    def connect(self) -> IpcStream:
        """Ask at the queue of the key for a stream; see Medium."""
        if not self._served():
            raise Refused(f"nobody serves message queue {self.key}")
        token = max(FIRST_TOKEN, int.from_bytes(os.urandom(4)) >> 1)
        try:
            queue = sysv_ipc.MessageQueue(self.key)
            queue.send(REQUEST.pack(VERSION, token), type=OPEN)
            body, _ = queue.receive(type=token)
            version, up_key, down_key = REPLY.unpack(body)
            if (up_key, down_key) == (_NO_KEY, _NO_KEY):
                raise Refused(f"ipc: the server speaks version {version} of the wire form, this is {VERSION}")
            size = _largest_message()
            up, down = (sysv_ipc.MessageQueue(key, max_message_size=size) for key in (up_key, down_key))
        except (sysv_ipc.Error, OSError, struct.error) as error:
            raise Refused(f"message queue {self.key} did not open a stream: {error}") from None
        return IpcStream(down, up, self._peers, listening=False)

    def endpoint(self) -> dict[str, str | int]:
        """Return medium and key."""
        return {"medium": "ipc", "key": self.key}

    def _served(self) -> bool:
        try:
            return sysv_ipc.Semaphore(self.key).value > 0
        except sysv_ipc.ExistentialError:
            return False

    def _clear(self) -> None:
        """Remove what a listener that was killed left behind."""
        with contextlib.suppress(sysv_ipc.ExistentialError):
            sysv_ipc.Semaphore(self.key).remove()
        with contextlib.suppress(OSError):
            rows = Path("/proc/sysvipc/msg").read_text().splitlines()[1:]
            present = {int(row.split()[0]) for row in rows}
            for key in present.intersection([self.key, *_stream_keys(self.key)]):
                with contextlib.suppress(sysv_ipc.ExistentialError):
                    sysv_ipc.MessageQueue(key).remove()
