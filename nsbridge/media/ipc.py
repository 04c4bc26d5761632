"""The medium of IPC: how streams are opened with System V message queues; knows nothing of namespaces.

The wire form is in docs/wire-ipc.md. In short: the opener sends OPEN to the queue of the well-known key and
gets the keys of two new queues back, one for each direction.

Source: sysvipc(7), msgop(2).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
import threading
import time

import sysv_ipc

from nsbridge.errors import Broken, Refused, UsageError
from nsbridge.media import life
from nsbridge.media.base import Listener, Medium
from nsbridge.media.peers import Peers
from nsbridge.media.queues import IpcStream
from nsbridge.media.sysv import keys_in_use, largest_message, make_queue, open_queue, uninterrupted

VERSION = 1
OPEN = 1
REQUEST = struct.Struct("=Ii")  # version, token: the type that the reply is to have
REPLY = struct.Struct("=Iii")  # version, key of up, key of down; both keys 0: refused
REFUSAL = REPLY.pack(VERSION, 0, 0)
_SILENCE = REPLY.pack(0, 0, 0)  # what an opener tells itself when there is no reply
PATIENCE = 10.0  # seconds that either side waits for the other while a stream is opened
_STEP = 0.001  # seconds between two tries to put a request into a full queue: the kernel's wait has no time limit


def replies_key(key: int) -> int:
    """Return the key of the queue of replies that belongs to a well-known key."""
    return key << 15


def stream_keys(key: int) -> range:
    """Return the keys of streams' queues, and of openers' semaphores, that belong to a well-known key."""
    return range((key << 15) + 1, (key + 1) << 15)


class IpcListener(Listener):
    """The queue of the well-known key, and the queue of replies."""

    def __init__(
        self,
        key: int,
        opens: sysv_ipc.MessageQueue,
        replies: sysv_ipc.MessageQueue,
        alive: sysv_ipc.Semaphore,
        peers: Peers,
    ) -> None:
        """Take over the two queues, and the semaphore that says that somebody serves them."""
        self._opens, self._replies, self._alive, self._key, self._peers = opens, replies, alive, key, peers
        self._keys = itertools.cycle(stream_keys(key))

    def accept(self) -> IpcStream:
        """Wait for an OPEN and answer it; see Listener."""
        try:
            body, kind = uninterrupted(self._opens.receive)
        except OverflowError:  # of a type that no int holds
            body, kind = b"", 0
        except (sysv_ipc.Error, OSError) as error:
            raise Broken(f"ipc: the queue of the well-known key was removed ({error})") from None
        version, token = REQUEST.unpack(body) if len(body) == REQUEST.size else (0, 0)
        if kind != OPEN or token < 1:
            raise Refused(f"ipc: no request to open a stream: {len(body)} bytes of type {kind}")
        if version != VERSION:
            self._reply(token, REFUSAL)
            raise Refused(f"ipc: a request in version {version} of the wire form, which is {VERSION} here")
        return self._open(token)

    def _open(self, token: int) -> IpcStream:
        queues: list[sysv_ipc.MessageQueue] = []
        try:
            queues += [self._new_queue()]
            queues += [self._new_queue()]
            up, down = queues
            stream = IpcStream(up, down, self._peers, life=self._key, listening=True)
        except (sysv_ipc.Error, OSError) as error:
            for queue in queues:
                with contextlib.suppress(sysv_ipc.Error, OSError):
                    queue.remove()
            self._reply(token, REFUSAL)
            raise Refused(f"ipc: no queue can be made for a stream: {error}; the limit is kernel.msgmni") from None
        try:
            self._peers.after(PATIENCE, lambda: self._unclaimed(stream, token))
        except Broken as error:
            stream.abort()
            self._reply(token, REFUSAL)
            raise Refused(str(error)) from None
        self._reply(token, REPLY.pack(VERSION, up.key, down.key))
        return stream

    def _unclaimed(self, stream: IpcStream, token: int) -> None:
        """Take a stream back to which nobody came."""
        with contextlib.suppress(sysv_ipc.Error, OSError):
            if stream.forsaken():
                self._replies.receive(block=False, type=token)

    def _reply(self, token: int, reply: bytes) -> None:
        """Put a reply into its queue; if it is full of what nobody takes, that is thrown away."""
        with contextlib.suppress(sysv_ipc.ExistentialError, OSError):
            try:
                self._replies.send(reply, block=False, type=token)
            except sysv_ipc.BusyError:
                with contextlib.suppress(sysv_ipc.BusyError):
                    while True:
                        self._replies.receive(block=False)
                with contextlib.suppress(sysv_ipc.BusyError):
                    self._replies.send(reply, block=False, type=token)

    def _new_queue(self) -> sysv_ipc.MessageQueue:
        while True:
            with contextlib.suppress(sysv_ipc.ExistentialError):
                return make_queue(next(self._keys))

    def close(self) -> None:
        """Remove the queues, which wakes `accept`; see Listener."""
        for part in (self._opens, self._replies, self._alive):
            with contextlib.suppress(sysv_ipc.Error, OSError):
                part.remove()


class _Request:
    """A request that is under way: woken by its reply, or by one that this process writes itself."""

    def __init__(self, opens: sysv_ipc.MessageQueue, replies: sysv_ipc.MessageQueue) -> None:
        self._opens, self._replies = opens, replies
        self._token = (int.from_bytes(os.urandom(4)) >> 1) or 1
        self._lock = threading.Lock()
        self._over = False

    def ask(self) -> tuple[int, int, int]:
        """Return version and keys of the reply."""
        while not self._over:
            with contextlib.suppress(sysv_ipc.BusyError):
                self._opens.send(REQUEST.pack(VERSION, self._token), block=False, type=OPEN)
                break
            time.sleep(_STEP)
        body, _ = uninterrupted(lambda: self._replies.receive(type=self._token))
        with self._lock:
            self._over = True
        if len(body) != REPLY.size:
            raise Refused(f"ipc: an answer of {len(body)} bytes, which is no reply")
        version, up, down = REPLY.unpack(body)
        return version, up, down

    def lost(self) -> None:
        """Wait no more: the listener is gone, or too slow."""
        with self._lock, contextlib.suppress(sysv_ipc.ExistentialError, OSError):
            while not self._over:
                try:
                    self._replies.send(_SILENCE, block=False, type=self._token)
                    self._over = True
                except sysv_ipc.BusyError:
                    self._replies.receive()  # nobody else empties the queue of a dead listener


class Ipc(Medium):
    """A well-known key."""

    kind = "ipc"

    def __init__(self, key: int = 5566) -> None:
        """Args: the key of the queue at which streams are opened, from 1 to 65535."""
        if not 0 < key < 1 << 16:
            raise UsageError(f"no key for a message queue: {key}; use 1 to 65535")
        largest_message()  # while /proc can still be read
        self.key = key
        self._peers = Peers()
        self._lock = threading.Lock()
        self._life: int | None = None  # the key of this process's own semaphore as an opener

    def listen(self) -> IpcListener:
        """Make the queues, and the semaphore that the kernel takes back when this process dies; see Medium."""
        if life.alive(self.key):
            raise UsageError(f"message queue {self.key} is served already; end that server or give another key")
        try:
            self._clear()
            alive = life.begin(self.key)
            opens, replies = make_queue(self.key), make_queue(replies_key(self.key))
        except (sysv_ipc.Error, OSError) as error:
            raise UsageError(f"cannot serve message queue {self.key}: {error}; give another key") from None
        return IpcListener(self.key, opens, replies, alive, self._peers)

    def connect(self) -> IpcStream:
        """Ask at the queue of the key for a stream; see Medium."""
        alive = life.alive(self.key)  # None: a listener that has no semaphore, or none at all
        if alive is False:
            raise Refused(f"nobody serves message queue {self.key}")
        try:
            request = _Request(open_queue(self.key), open_queue(replies_key(self.key)))
            self._peers.after(PATIENCE, request.lost)
            if alive:
                self._peers.watch(0, self.key, request)
            try:
                version, up, down = request.ask()
            finally:
                self._peers.forget(request)
            if not version:
                raise Refused(f"nobody answers at message queue {self.key}")
            keys = stream_keys(self.key)  # others are no stream's, and 0 would make a new queue
            if version != VERSION or up not in keys or down not in keys or up == down:
                raise Refused(f"message queue {self.key} refuses a stream (its wire form is version {version})")
            return self._join(open_queue(up), open_queue(down))
        except (sysv_ipc.Error, OSError, Broken) as error:
            raise Refused(f"message queue {self.key} opens no stream: {error}") from None

    def _join(self, up: sysv_ipc.MessageQueue, down: sysv_ipc.MessageQueue) -> IpcStream:
        stream = IpcStream(down, up, self._peers, life=self._own_life(), listening=False)
        try:
            stream.greet()
        except (sysv_ipc.Error, OSError, Broken) as error:
            stream.abort()
            raise Refused(f"message queue {self.key} opens a stream without HELLO: {error}") from None
        return stream

    def endpoint(self) -> dict[str, str | int]:
        """Return medium and key."""
        return {"medium": "ipc", "key": self.key}

    def close(self) -> None:
        """Watch no more, and remove this process's own semaphore; see Medium."""
        self._peers.close()
        with self._lock:
            if self._life:
                life.end(self._life)
            self._life = None

    def _own_life(self) -> int:
        with self._lock:
            if self._life is None:
                self._life = life.begin_one_of(stream_keys(self.key))
            return self._life

    def _clear(self) -> None:
        """Remove what a listener that was killed left behind."""
        with contextlib.suppress(sysv_ipc.ExistentialError):
            sysv_ipc.Semaphore(self.key, 0, 0o444).remove()
        present = set(keys_in_use("msg"))
        for key in present.intersection([self.key, replies_key(self.key), *stream_keys(self.key)]):
            with contextlib.suppress(sysv_ipc.ExistentialError):
                sysv_ipc.MessageQueue(key).remove()
