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
from collections.abc import Callable, Collection

from nsbridge.errors import Broken
from nsbridge.media import inotify
from nsbridge.media.base import spawn

_EVENT = struct.Struct("iIII")  # wd, mask, cookie, length of the name
_UNPACK = _EVENT.unpack_from
_MANY = 4096  # bytes of events that are read at once: most often there is one
_OWN = inotify.Q_OVERFLOW | inotify.IGNORED

# a folder, not through a symbolic link, and not one that is watched here already
_STRICTLY = inotify.ONLYDIR | inotify.DONT_FOLLOW | inotify.MASK_CREATE


class Watch:
    """Who wants the events of one folder; this one wakes who waits for it, and does nothing else."""

    def event(self, mask: int, name: bytes) -> None:
        """Take note of what happened to `name`, filled up with zeros (b"" for the folder itself); must not wait."""

    def settle(self) -> None:
        """All events that came at once have been noted: act on them; must not wait."""

    def rescan(self) -> None:
        """Events were lost: look at everything again; must not wait."""


class Hub:
    """One inotify descriptor and the watches on it."""

    def __init__(self) -> None:
        """Open the descriptor.

        Raises:
            Broken: the user has as many as the kernel allows (fs.inotify.max_user_instances).
        """
        try:
            self._fd = inotify.init()
        except OSError as error:
            raise Broken(f"mnt: no inotify descriptor: {error.strerror}; see fs.inotify") from None
        self._watches: dict[int, Watch] = {}
        self._lock = threading.Lock()
        self._bells: list[tuple[Watch | None, threading.Lock]] = []  # of those who wait; each is held until it rings
        self._reading = False
        self._served = self._closed = False

    def add(self, path: str, mask: int, watch: Watch) -> int:
        """Watch a folder (never through a symbolic link) and return the watch descriptor.

        Raises:
            Broken: the folder is not there, or the limit of watches is reached.
        """
        with self._lock:  # before the events of this watch can be handed out
            try:
                wd = inotify.add_watch(self._fd, path, mask | _STRICTLY)
            except OSError as error:
                raise Broken(f"mnt: cannot watch {path!a}: {error.strerror}") from None
            self._watches[wd] = watch
        return wd

    def remove(self, wd: int) -> None:
        """Watch no more; unknown descriptors are ignored, for the folder may be gone."""
        with self._lock:
            if self._watches.pop(wd, None) is not None:
                with contextlib.suppress(OSError):
                    inotify.rm_watch(self._fd, wd)

    def wait(self, watch: Watch, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`, which may change with an event of `watch`, and with `wake`."""
        while True:
            with self._lock:
                if ready():
                    if not self._reading:
                        self._ring(self._bells[:1])  # one of those who still wait has to read now
                    return
                bell = self._take_turn(watch)
            if bell is not None:
                bell.acquire()
                continue
            stirred = self._read()
            with self._lock:
                self._reading = False
                self._ring([each for each in self._bells if each[0] in stirred])

    def wake(self, watch: Watch) -> None:
        """Let those who wait for `watch` look again."""
        with self._lock:
            self._ring([each for each in self._bells if each[0] is watch])
            if self._reading and not (self._served or self._closed):  # it may be one of them who reads the events
                self._stir()

    def serve(self) -> None:
        """See to it that a thread of its own reads the events from now on.

        Raises:
            Broken: there are no more threads.
        """
        with self._lock:
            if not self._served:
                spawn(self._serve)
                self._served = True

    def close(self) -> None:
        """Close the descriptor, and tell each watch that it is over; nobody may wait by then."""
        with self._lock:
            self._closed = True
            watches = set(self._watches.values())
            self._watches.clear()  # a number that is removed later may be another descriptor's
            if self._served:  # its thread closes it, woken by the end of a watch
                self._stir()
            else:
                os.close(self._fd)
        for watch in watches:
            watch.event(inotify.IGNORED, b"")

    def _serve(self) -> None:
        while True:
            with self._lock:
                bell = self._take_turn(None)
            if bell is None:
                break
            bell.acquire()
        while not self._closed:
            stirred = self._read()
            with self._lock:
                if self._bells:
                    self._ring([each for each in self._bells if each[0] in stirred])
        with self._lock:
            os.close(self._fd)

    def _stir(self) -> None:
        """Wake who reads the events: the end of a watch is one."""
        inotify.rm_watch(self._fd, inotify.add_watch(self._fd, "/", inotify.DELETE_SELF))

    def _take_turn(self, watch: Watch | None) -> threading.Lock | None:
        """Become who reads, and return None; or return a bell to wait for."""
        if not self._reading:
            self._reading = True
            return None
        bell = threading.Lock()
        bell.acquire()
        self._bells.append((watch, bell))
        return bell

    def _ring(self, bells: list[tuple[Watch | None, threading.Lock]]) -> None:
        for each in bells:
            self._bells.remove(each)
            each[1].release()

    def _read(self) -> Collection[Watch | None]:
        """Read once and hand out; return the watches for which something happened."""
        data = os.read(self._fd, _MANY)
        end = len(data)
        wd, mask, _, length = _UNPACK(data)
        if end == 16 + length and not mask & _OWN and (who := self._watches.get(wd)):  # most often
            who.event(mask, data[16:])
            who.settle()
            return None, who
        stirred: list[Watch | None] = [None]
        offset = 0
        while offset < end:
            wd, mask, _, length = _UNPACK(data, offset)
            offset += 16 + length
            if (who := self._watches.get(wd)) is not None:
                who.event(mask, data[offset - length : offset])
                if who is not stirred[-1]:
                    stirred.append(who)
            if mask & _OWN:
                stirred += self._act(wd, mask)
        for each in stirred:
            if each is not None:
                each.settle()
        return stirred

    def _act(self, wd: int, mask: int) -> Collection[Watch]:
        """Act on an event that concerns the descriptor itself; return the watches that have to look again."""
        if mask & inotify.IGNORED:
            self._watches.pop(wd, None)
            return ()
        lost = set(self._watches.values())
        for watch in lost:
            watch.rescan()
        return lost
