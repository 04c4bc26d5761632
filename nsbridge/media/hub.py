"""Hands inotify events to those who wait for them; knows watches, not streams.

There is one inotify descriptor for a process, for a user may have only 128 (max_user_instances). Whoever waits
first reads it for all; a thread that reads it for good (`serve`) makes that the rule.

Source: inotify(7).
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Callable
from typing import Protocol

from nsbridge.errors import Broken
from nsbridge.media import inotify

_EVENT = struct.Struct("iIII")  # wd, mask, cookie, length of the name


# a folder, not through a symbolic link, and not one that is watched here already
_STRICTLY = inotify.ONLYDIR | inotify.DONT_FOLLOW | inotify.MASK_CREATE


class Watch(Protocol):
    """Who wants the events of one folder."""

    def event(self, mask: int, name: bytes) -> bool:
        """Something happened to `name` (b"" for the folder itself); must not wait.

        Return whether a thread may be in `Hub.wait` for it: each wake-up costs, so nobody is woken without need.
        """

    def rescan(self) -> None:
        """Events were lost: look at everything again; must not wait."""


class Hub:
    """One inotify descriptor and the watches on it."""

    def __init__(self) -> None:
        """Open the descriptor."""
        self._fd = inotify.init()
        self._watches: dict[int, Watch] = {}
        self._changed = threading.Condition()
        self._reading = False
        self._served = False

    def add(self, path: str, mask: int, watch: Watch) -> int:
        """Watch a folder (never through a symbolic link) and return the watch descriptor.

        Raises:
            Broken: the folder is not there, or the limit of watches is reached.
        """
        with self._changed:  # before the events of this watch can be handed out
            try:
                wd = inotify.add_watch(self._fd, path, mask | _STRICTLY)
            except OSError as error:
                raise Broken(f"mnt: cannot watch {path}: {error.strerror}") from None
            self._watches[wd] = watch
        return wd

    def remove(self, wd: int) -> None:
        """Watch no more; unknown descriptors are ignored, for the folder may be gone."""
        with self._changed:
            if self._watches.pop(wd, None) is not None:
                with contextlib.suppress(OSError):
                    inotify.rm_watch(self._fd, wd)

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`, which may change with any event."""
        with self._changed:
            while not ready():
                if self._reading:
                    self._changed.wait()
                else:
                    self._read()
            self._changed.notify()  # one of those who still wait has to read now

    def wake(self) -> None:
        """Let those who wait look again; whoever reads the events is woken by the next of them."""
        with self._changed:
            self._changed.notify_all()

    def serve(self) -> None:
        """See to it that a thread of its own reads the events from now on."""
        with self._changed:
            if self._served:
                return
            self._served = True
        threading.Thread(target=self.wait, args=(lambda: False,), daemon=True).start()

    def _read(self) -> None:
        """Read once, without the lock, hand out, and wake those who may have waited for it."""
        self._reading = True
        self._changed.release()
        stirred = True
        try:
            stirred = self._hand_out(os.read(self._fd, 65536))
        finally:
            self._changed.acquire()
            self._reading = False
            if stirred:
                self._changed.notify_all()

    def _hand_out(self, data: bytes) -> bool:
        """Hand out the events in `data`; return whether somebody may wait for one of them."""
        stirred, offset = False, 0
        while offset < len(data):
            wd, mask, _, length = _EVENT.unpack_from(data, offset)
            offset += 16 + length
            if mask & inotify.Q_OVERFLOW:
                stirred = True
                for watch in list(self._watches.values()):
                    watch.rescan()
                continue
            if (who := self._watches.get(wd)) is not None:
                stirred |= who.event(mask, data[offset - length : offset].rstrip(b"\0"))
            if mask & inotify.IGNORED:
                self._watches.pop(wd, None)
        return stirred
