"""The medium of MNT: how streams are opened in a folder; knows nothing of namespaces.

The wire form is in docs/wire-mnt.md. In short: a stream is a folder with two folders in it, `up` and `down`;
each holds growing files (segments) that inotify tells of. The opener prepares it under `new` and moves it to
`open`; the listener removes it.

Source: inotify(7), flock(2), rename(2).
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
from collections import deque

from nsbridge.errors import Broken, Refused, UsageError
from nsbridge.media import inotify
from nsbridge.media.base import Listener, Medium
from nsbridge.media.folder import MntStream, held
from nsbridge.media.hub import Hub

VERSION = b"1-"  # a stream's name begins with it


def _make_folder(path: str) -> None:
    """Make a folder in which both sides may work: they seldom have the same user ID."""
    os.mkdir(path)
    os.chmod(path, 0o777)  # noqa: S103 — whoever is in the mount namespace may open streams


class MntListener(Listener):
    """The folder in which streams appear."""

    def __init__(self, path: str, lock: int, hub: Hub) -> None:
        """Take over the lock, and watch the folder `open` below `path`."""
        self._path, self._lock, self._hub = path, lock, hub
        self._names: deque[bytes] = deque()
        self._closed = False
        self._watch = hub.add(f"{path}/open", inotify.MOVED_TO | inotify.DELETE_SELF, self)
        self.rescan()

    def event(self, mask: int, name: bytes) -> bool:
        """See Watch."""
        if mask & inotify.MOVED_TO:
            self._names.append(name)
        elif mask & inotify.DELETE_SELF:
            self._closed = True
        return True

    def rescan(self) -> None:
        """See Watch."""
        self._names.extend(os.fsencode(name) for name in os.listdir(f"{self._path}/open"))

    def accept(self) -> MntStream:
        """Wait for the next folder; see Listener. What is no stream of this version is removed."""
        while True:
            self._hub.wait(lambda: bool(self._names) or self._closed)
            if self._closed:
                raise Broken(f"mnt: {self._path}/open was closed")
            name = self._names.popleft()
            folder = f"{self._path}/open/{os.fsdecode(name)}"
            with contextlib.suppress(Broken):
                if name.startswith(VERSION):
                    return MntStream(folder, self._hub, lock=None)
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Wake `accept` and let the lock go; see Listener."""
        if self._closed:
            return
        self._closed = True
        self._hub.remove(self._watch)
        os.close(self._lock)
        self._hub.wake()


class Mnt(Medium):
    """A folder. One object serves one side: a process that is both client and server there makes two."""

    kind = "mnt"

    def __init__(self, path: str = "/run/nsbridge") -> None:
        """Args: the folder at which streams are opened, as it is named in the mount namespace."""
        self.path = path
        self._hub: Hub | None = None
        self._streams: set[MntStream] = set()
        self._numbers = itertools.count()
        self._watching = False

    @property
    def hub(self) -> Hub:
        """The one inotify descriptor of this medium, opened when first asked for."""
        if self._hub is None:
            self._hub = Hub()
        return self._hub

    def listen(self) -> MntListener:
        """Take the lock and clear the folder; see Medium."""
        try:
            lock = self._take_lock()
            for folder in ("new", "open"):
                shutil.rmtree(f"{self.path}/{folder}", ignore_errors=True)
                _make_folder(f"{self.path}/{folder}")
        except OSError as error:
            raise UsageError(f"cannot serve {self.path}: {error.strerror}; make it a writable folder") from None
        return MntListener(self.path, lock, self.hub)

    def _take_lock(self) -> int:
        path = f"{self.path}/lock"
        if held(path):
            raise UsageError(f"{self.path} is served already; end that server or give another folder")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def connect(self) -> MntStream:
        """Prepare a stream's folder and move it into place; see Medium."""
        if not held(f"{self.path}/lock"):
            raise Refused(f"nobody serves {self.path}")
        if not self._watching:
            self._watching = True
            self.hub.add(self.path, inotify.CLOSE_WRITE, self)
        name = f"{os.fsdecode(VERSION)}{os.urandom(6).hex()}{next(self._numbers)}"
        new, folder = f"{self.path}/new/{name}", f"{self.path}/open/{name}"
        try:
            for path in (new, f"{new}/up", f"{new}/down"):
                _make_folder(path)
            lock = os.open(f"{new}/up/lock", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(new, folder)
        except OSError as error:
            raise Refused(f"cannot open a stream in {self.path}: {error.strerror}") from None
        stream = MntStream(folder, self.hub, lock=lock, closed=self._streams.discard)
        self._streams.add(stream)
        return stream

    def event(self, mask: int, name: bytes) -> bool:
        """Tell the streams when the server has let its lock go."""
        if mask & inotify.CLOSE_WRITE and name == b"lock":
            self.rescan()
        return True

    def rescan(self) -> None:
        """Tell the streams if the server is gone."""
        if not held(f"{self.path}/lock"):
            for stream in list(self._streams):
                stream.orphan()

    def endpoint(self) -> dict[str, str | int]:
        """Return medium and path."""
        return {"medium": "mnt", "path": self.path}
