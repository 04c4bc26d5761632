"""The medium of NET: raw bytes over TCP; knows nothing of namespaces.

Source: tcp(7), RFC 862 for port 7.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
import time

from nsbridge.errors import Broken, Refused, UsageError
from nsbridge.media.base import Buffer, Ends, Listener, Medium, Stream

CHUNK = 65536
_LARGE = 2 * CHUNK  # bytes that are asked for where CHUNK came at once
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE = 0.01  # seconds
_DISCONNECT = bytes(16)  # a sockaddr of family AF_UNSPEC
_libc = ctypes.CDLL(None, use_errno=True)


class NetStream(Stream):
    """A connected TCP socket."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over `sock`."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._ends = Ends()
        self._most = CHUNK  # bytes that the next read asks for

    def read(self) -> bytes:
        """Wait for bytes; see Stream."""
        if self._ends.received:
            return b""
        try:
            data = self._socket.recv(self._most)
        except OSError as error:
            raise self._break(error) from None
        self._most = CHUNK if len(data) < CHUNK else _LARGE
        if not data:
            self._ends.check()
            self._ends.received = True
        return data

    def write(self, data: Buffer) -> None:
        """Send all of it; see Stream."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._break(error) from None

    def offer(self, data: Buffer) -> int:
        """Send what the socket takes at once; see Stream."""
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._break(error) from None

    def end(self) -> None:
        """Send FIN; see Stream."""
        if self._ends.sent:
            return
        self._ends.check()
        self._ends.sent = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._break(error) from None

    def abort(self) -> None:
        """Send RST, which no peer takes for an end; see Stream."""
        if self._ends.broken or self._ends.clean:
            return
        self._ends.broken = "the stream was broken off"
        fd = self._socket.fileno()
        # tcp_disconnect() sends the RST and wakes waiting threads; some kernels refuse it while they wait
        if fd >= 0 and _libc.connect(fd, _DISCONNECT, len(_DISCONNECT)) != 0:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket; see Stream."""
        self.abort()
        self._socket.close()

    def _break(self, error: OSError) -> Broken:
        if self._ends.broken is None:
            self._ends.broken = f"net: {error.strerror or error}"
        return Broken(self._ends.broken)


class NetListener(Listener):
    """A listening TCP socket."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over `sock`."""
        self._socket = sock
        self._closed = False
        self._spare = os.dup(sock.fileno())  # a descriptor to give up when there are no more

    def accept(self) -> NetStream:
        """Wait for the next connection; see Listener."""
        while not self._closed:
            try:
                sock = self._socket.accept()[0]
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._turn_away()
                    raise Refused(f"net: a connection was turned away: {error.strerror}") from None
            else:
                return NetStream(sock)
        raise Broken("net: the listener was closed")

    def _turn_away(self) -> None:
        """Take the connection that waits, and reset it: it would wake `accept` again and again."""
        os.close(self._spare)
        with contextlib.suppress(OSError):
            self._socket.setblocking(False)
            NetStream(self._socket.accept()[0]).close()
        self._socket.setblocking(True)
        while True:
            try:
                self._spare = os.dup(self._socket.fileno())
            except OSError:
                time.sleep(_PAUSE)  # another thread was quicker; nothing tells when it gives one back
            else:
                return

    def close(self) -> None:
        """Wake `accept` and close; see Listener."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
            os.close(self._spare)
        self._socket.close()


class Net(Medium):
    """An address and a port."""

    kind = "net"

    def __init__(self, address: str, port: int = 7) -> None:
        """Args: an IPv4 address in dotted form; a TCP port."""
        try:
            socket.inet_pton(socket.AF_INET, address)
        except (OSError, ValueError):
            raise UsageError(f"no IPv4 address: {address!r}; write four numbers, as 10.77.1.1") from None
        if not 0 < port < 1 << 16:
            raise UsageError(f"no TCP port: {port}; use 1 to 65535")
        self.address, self.port = address, port

    def listen(self) -> NetListener:
        """Bind and listen; see Medium."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self.address, self.port))
            sock.listen(4096)
        except OSError as error:
            sock.close()
            raise UsageError(
                f"cannot serve {self.address} port {self.port}: {error.strerror}; free the port or give the address"
            ) from None
        return NetListener(sock)

    def connect(self) -> NetStream:
        """Connect; see Medium."""
        sock = None
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.connect((self.address, self.port))
        except OSError as error:
            if sock is not None:
                sock.close()
            raise Refused(f"nobody serves {self.address} port {self.port}: {error.strerror}") from None
        return NetStream(sock)

    def endpoint(self) -> dict[str, str | int]:
        """Return medium, address and port."""
        return {"medium": "net", "address": self.address, "port": self.port}

    def close(self) -> None:
        """See Medium; there is nothing to give back."""
