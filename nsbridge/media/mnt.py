"""The medium of MNT: how streams are opened in a folder; knows nothing of namespaces.

The wire form is in docs/wire-mnt.md. In short: a stream is a folder with two folders in it, `up` and `down`;
each holds growing files (segments) that inotify tells of. The opener prepares it under `new` and moves it to
`open`; the listener removes it.

Source: inotify(7), flock(2), rename(2).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import threading
from queue import SimpleQueue

from nsbridge.errors import Broken, Refused, UsageError
from nsbridge.media import inotify
from nsbridge.media.base import Listener, Medium, spawn
from nsbridge.media.folder import MntStream
from nsbridge.media.hub import Hub, Watch
from nsbridge.media.places import await_descriptor, held, make_folder, make_lock, remove, wait_until_free

VERSION = b"1-"  # a stream's name begins with it


class MntListener(Listener, Watch):
    """The folder in which streams appear."""

    def __init__(self, path: str, lock: int, hub: Hub) -> None:
        """Take over the lock, and watch the folder `open` below `path`."""
        self._path, self._lock, self._hub = path, lock, hub
        self._names: SimpleQueue[bytes | None] = SimpleQueue()  # None: closed
        self._seen: set[bytes] = set()
        self._closed = False
        self._watch = hub.add(f"{path}/open", inotify.MOVED_TO | inotify.DELETE_SELF, self)
        self.rescan()

    def event(self, mask: int, name: bytes) -> None:
        """See Watch."""
        if mask & inotify.MOVED_TO:
            self._names.put(name.rstrip(b"\0"))
        elif mask & inotify.DELETE_SELF:
            self._names.put(None)

    def rescan(self) -> None:
        """See Watch. Streams that were accepted are there as well, and are passed over when their turn comes."""
        with contextlib.suppress(OSError):
            for name in os.listdir(f"{self._path}/open"):
                self._names.put(os.fsencode(name))

    def accept(self) -> MntStream:
        """Wait for the next folder; see Listener. What is no stream of this version is removed."""
        self._hub.serve()  # not before: whoever listens may yet have to do what only a process of one thread can
        await_descriptor()  # else each of many would wait in a thread of its own until its folder can be removed
        while (name := self._names.get()) is not None and not self._closed:
            if name in self._seen:
                continue
            folder = f"{self._path}/open/{os.fsdecode(name)}"
            self._seen.add(name)
            try:
                if not name.startswith(VERSION):
                    raise Broken(f"mnt: {name[:60]!r} is no stream of version {os.fsdecode(VERSION)}")
                return MntStream(folder, self._hub, lock=None, closed=lambda _: self._seen.discard(name))
            except Broken as error:
                remove(folder)
                self._seen.discard(name)
                raise Refused(str(error)) from None
        self._names.put(None)
        raise Broken(f"mnt: {self._path}/open was closed")

    def close(self) -> None:
        """Wake `accept` and let the lock go; see Listener."""
        if self._closed:
            return
        self._closed = True
        self._hub.remove(self._watch)
        os.close(self._lock)
        self._names.put(None)


class Mnt(Medium, Watch):
    """A folder. One object serves one side: a process that is both client and server there makes two."""

    kind = "mnt"

    def __init__(self, path: str = "/run/nsbridge") -> None:
        """Args: the folder at which streams are opened, as it is named in the mount namespace."""
        if not path or "\0" in path:
            raise UsageError(f"no folder for streams: {path!r}; name one, as /run/nsbridge")
        self.path = path
        self._hub: Hub | None = None
        self._streams: set[MntStream] = set()
        self._numbers = itertools.count()
        self._beginning = threading.Lock()
        self._watching = False

    @property
    def hub(self) -> Hub:
        """The one inotify descriptor of this medium, opened when first asked for."""
        with self._beginning:
            if self._hub is None:
                self._hub = Hub()
            return self._hub

    def listen(self) -> MntListener:
        """Take the lock and clear the folder; see Medium."""
        lock = f"{self.path}/lock"
        if held(lock):
            raise UsageError(f"{self.path} is served already; end that server or give another folder")
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lock)
            fd = make_lock(lock)
            for folder in ("new", "open"):
                shutil.rmtree(f"{self.path}/{folder}", ignore_errors=True)
                make_folder(f"{self.path}/{folder}")
        except OSError as error:
            raise UsageError(f"cannot serve {self.path}: {error.strerror}; make it a writable folder") from None
        return MntListener(self.path, fd, self.hub)

    def connect(self) -> MntStream:
        """Prepare a stream's folder and move it into place; see Medium."""
        served = f"{self.path}/lock"
        if not held(served):
            raise Refused(f"nobody serves {self.path}")
        try:
            self._watch()
            stream = self._open()
        except (Broken, OSError) as error:
            raise Refused(f"cannot open a stream in {self.path}: {getattr(error, 'strerror', error)}") from None
        self._streams.add(stream)
        if not held(served):
            stream.orphan()
        return stream

    def _watch(self) -> None:
        hub = self.hub
        with self._beginning:
            if not self._watching:
                hub.add(self.path, inotify.CLOSE_WRITE, self)
                self._watching = True

    def _open(self) -> MntStream:
        name = f"{os.fsdecode(VERSION)}{os.urandom(6).hex()}{next(self._numbers)}"
        new, folder = f"{self.path}/new/{name}", f"{self.path}/open/{name}"
        lock = -1
        try:
            for path in (new, f"{new}/up", f"{new}/down"):
                make_folder(path)
            lock = make_lock(f"{new}/up/lock")
            os.rename(new, folder)
        except OSError:
            if lock >= 0:
                os.close(lock)
            shutil.rmtree(new, ignore_errors=True)
            raise
        try:
            return MntStream(folder, self.hub, lock=lock, closed=self._streams.discard)
        except Broken:
            remove(folder)
            raise

    def event(self, mask: int, name: bytes) -> None:
        """Tell the streams when the server has let its lock go."""
        if mask & inotify.CLOSE_WRITE and name.rstrip(b"\0") == b"lock":
            spawn(self._await_lock)

    def rescan(self) -> None:
        """Tell the streams if the server is gone."""
        if not held(f"{self.path}/lock"):
            for stream in list(self._streams):
                stream.orphan()

    def _await_lock(self) -> None:
        wait_until_free(f"{self.path}/lock")
        self.rescan()

    def endpoint(self) -> dict[str, str | int]:
        """Return medium and path."""
        return {"medium": "mnt", "path": self.path}

    def close(self) -> None:
        """Close the inotify descriptor; see Medium."""
        with self._beginning:
            if self._hub is not None:
                self._hub.close()
            self._hub, self._watching = None, False
