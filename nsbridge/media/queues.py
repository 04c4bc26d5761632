"""One stream of two System V message queues; does not know how streams are opened.

Source: msgop(2), docs/wire-ipc.md.
"""

from __future__ import annotations

import contextlib
import errno
import struct

import sysv_ipc

from nsbridge.errors import Broken, StreamError
from nsbridge.media.base import Buffer, Ends, Stream, spawn
from nsbridge.media.peers import Peers
from nsbridge.media.sysv import interrupted, largest_message, uninterrupted

HELLO, DATA, END, BREAK, CLOSE = 2, 3, 4, 5, 6
LIFE = struct.Struct("=i")  # the key of the sender's semaphore
_GONE = "ipc: the process on the other side is gone"


class IpcStream(Stream):
    """Two queues; `listening` says on which side of the wire this is: the listener made them and removes them."""

    def __init__(
        self,
        incoming: sysv_ipc.MessageQueue,
        outgoing: sysv_ipc.MessageQueue,
        peers: Peers,
        *,
        life: int,
        listening: bool,
    ) -> None:
        """Take over the two queues and introduce this process to the other side.

        Args:
            incoming: read here.
            outgoing: written here.
            peers: tells when the process on the other side is gone.
            life: the key of the semaphore that says that this process lives, or 0.
            listening: whether this is the listener's side.
        """
        self._in, self._out, self._peers = incoming, outgoing, peers
        self._listening = listening
        self._chunk = min(largest_message(), outgoing.max_size)
        self._ends = Ends()
        self._gone = self._closed = self._greeted = False
        self._signal(HELLO, LIFE.pack(life))

    def forsaken(self) -> bool:
        """Break the stream off if the other side has never sent a message, and say whether."""
        if self._in.last_send_time:
            return False
        self._lose("ipc: nobody came to the stream")
        return True

    def greet(self) -> None:
        """Take the listener's HELLO, which it sends before it says where it can be read.

        Raises:
            sysv_ipc.BusyError: it is not there.
            Broken: there is something else.
        """
        body, kind = self._in.receive(block=False)
        self._control(kind, body)

    def read(self) -> bytes:
        """Wait for a message; see Stream."""
        ends = self._ends
        while not ends.received:
            if ends.broken is not None:
                ends.check()
            data, kind = self._receive()
            if kind == DATA and data and self._greeted:
                return data
            self._control(kind, data)
        return b""

    def write(self, data: Buffer) -> None:
        """Send the data in messages of at most msgmax bytes; see Stream."""
        chunk = self._chunk
        if 0 < len(data) <= chunk:
            self._send(bytes(data))
            return
        view = memoryview(data)
        for start in range(0, len(view), chunk):
            self._send(bytes(view[start : start + chunk]))

    def offer(self, data: Buffer) -> int:
        """Send messages while the queue takes them; see Stream."""
        size, sent = len(data), 0
        while sent < size:
            piece = bytes(data if size <= self._chunk else memoryview(data)[sent : sent + self._chunk])
            try:
                self._send(piece, False)
            except sysv_ipc.BusyError:
                break
            sent += len(piece)
        return sent

    def end(self) -> None:
        """Send END; see Stream."""
        if not self._ends.sent:
            self._ends.check()
            self._ends.sent = True
            self._signal(END)

    def abort(self) -> None:
        """Remove the queues if they are ours, else send BREAK; see Stream."""
        if not self._ends.clean:
            self._lose("the stream was broken off")

    def close(self) -> None:
        """See Stream. The listener's side keeps its queues until the opener says CLOSE: it may still read."""
        if self._closed:
            return
        self._closed = True
        self.abort()
        if self._ends.broken is None and not self._listening:
            self._signal(CLOSE)
            self._peers.forget(self)

    def lost(self) -> None:
        """Be told that the process on the other side is gone: what it sent is read, if nothing holds that up."""
        self._gone = True
        if self._ends.received or not self._post(BREAK, self._in):
            self._lose(_GONE)
        else:
            self._empty(self._out)  # a writer that waits for room goes on, to see that nobody reads

    def _control(self, kind: int, body: bytes) -> None:
        """Act on a message that is not data.

        Raises:
            Broken: it ended the stream, or was none that may come here.
        """
        if kind == HELLO and len(body) in (0, LIFE.size) and not self._greeted:
            self._greeted = True
            (life,) = LIFE.unpack(body or bytes(LIFE.size))
            try:
                self._peers.watch(self._in.last_send_pid, life, self)
            except (sysv_ipc.Error, OSError) as error:  # another thread has removed it
                raise self._break(error) from None
            if self._ends.broken is not None:  # or was about to
                self._peers.forget(self)
        elif not self._greeted and kind != BREAK:
            self._lose(f"ipc: message of {len(body)} bytes and type {kind} in the place of HELLO")
        elif kind == END:
            self._ends.received = True
            if self._listening:
                spawn(self._linger)
        elif kind == BREAK:
            self._lose(_GONE if self._gone else "ipc: the other side broke the stream off")
        elif kind == CLOSE:
            self._lose("ipc: the other side closed before the end")
        elif kind != DATA:
            self._lose(f"ipc: message of {len(body)} bytes and type {kind}, which has no place here")
        self._ends.check()

    def _receive(self) -> tuple[bytes, int]:
        while True:
            try:
                return self._in.receive()
            except (sysv_ipc.Error, OSError, OverflowError) as error:
                if not interrupted(error):
                    raise self._break(error) from None

    def _linger(self) -> None:
        """After the opener's end: wait for its CLOSE, and then remove the queues; it may break off yet."""
        with contextlib.suppress(StreamError):
            body, kind = self._receive()
            if kind == CLOSE and self._ends.sent:
                self._remove()
            elif kind in (BREAK, CLOSE):
                self._control(kind, body)
            else:
                self._lose(f"ipc: message of type {kind} after the end")

    def _send(self, data: bytes, block: bool = True) -> None:
        if self._gone:
            self._lose(_GONE)
        if self._ends.broken is not None:
            self._ends.check()
        while True:
            try:
                return self._out.send(data, block, DATA)
            except sysv_ipc.BusyError:
                raise
            except (sysv_ipc.Error, OSError) as error:
                if not interrupted(error):
                    raise self._break(error) from None

    def _signal(self, kind: int, body: bytes = b"") -> None:
        """Send a message that is not data, without waiting here; it takes its place behind the data."""
        if not self._post(kind, self._out, body):
            spawn(self._post, kind, self._out, body, True)

    def _post(self, kind: int, queue: sysv_ipc.MessageQueue, body: bytes = b"", block: bool = False) -> bool:
        """Send a message that is not data; return False if the queue is full."""
        try:
            uninterrupted(lambda: queue.send(body, block, type=kind))
        except sysv_ipc.BusyError:
            return False
        except (sysv_ipc.Error, OSError):
            self._lose("ipc: the queue was removed")
        return True

    def _break(self, error: Exception) -> Broken:
        # EIDRM of who waits, EINVAL of who comes later
        gone = isinstance(error, sysv_ipc.ExistentialError) or getattr(error, "errno", None) == errno.EINVAL
        self._lose("ipc: the queue was removed" if gone else f"ipc: {error}")
        return Broken(str(self._ends.broken))

    def _lose(self, reason: str) -> None:
        """Break the stream, and wake whoever waits on it."""
        if self._ends.broken is None:
            self._ends.broken = reason
            if self._listening:
                self._remove()
            else:
                self._peers.forget(self)
                self._break_off()

    def _break_off(self) -> None:
        """Say BREAK instead of what was not read yet; then read, so that the listener can get as far as that."""
        self._empty(self._out)
        while not self._post(BREAK, self._out):
            self._empty(self._out)
        self._post(BREAK, self._in)  # wakes who reads here; if there is no room, nobody waits
        if not self._gone:
            spawn(self._read_out)

    def _read_out(self) -> None:
        with contextlib.suppress(sysv_ipc.Error, OSError, OverflowError):
            while not self._gone:
                uninterrupted(self._in.receive)

    @staticmethod
    def _empty(queue: sysv_ipc.MessageQueue) -> None:
        with contextlib.suppress(sysv_ipc.Error, OSError, OverflowError):
            while True:
                queue.receive(block=False)

    def _remove(self) -> None:
        self._peers.forget(self)
        for queue in (self._in, self._out):
            with contextlib.suppress(sysv_ipc.Error, OSError):
                queue.remove()
