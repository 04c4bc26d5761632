"""Tells when a process is gone, which the kernel knows, and when a time is up; knows no medium.

Source: pidfd_open(2), SEM_UNDO in semop(2), eventfd(2).
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from nsbridge.errors import Broken
from nsbridge.media.base import spawn
from nsbridge.media.life import wait_until_gone

Peer = tuple[str, int]
"""How a process is known: ("pid", as this process sees it), or ("life", the key of its semaphore)."""


class Watcher(Protocol):
    """Who wants to know."""

    def lost(self) -> None:
        """The process is gone; called from a watching thread, must not wait."""


class Peers:
    """The processes on the other side, each with the streams it has here; a thread begins when one is needed."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._lock = threading.Lock()
        self._watchers: dict[Peer, set[Watcher]] = {}
        self._peer_of: dict[Watcher, Peer] = {}
        self._pidfds: dict[int, int] = {}  # by pid
        self._due: deque[tuple[float, Callable[[], None]]] = deque()  # by time (monotonic, seconds)
        self._epoll: select.epoll | None = None
        self._alarm = -1  # an eventfd

    def watch(self, pid: int, life: int, watcher: Watcher) -> None:
        """Tell `watcher` once when a process is gone.

        Args:
            pid: the process; 0 if it cannot be seen from here.
            life: for that case the key of the semaphore that it holds; 0 if it has none, and is not watched.
            watcher: who is told.

        Raises:
            Broken: there are no more descriptors, or threads.
        """
        peer = ("pid", pid) if pid else ("life", life)
        if peer[1] == 0 or pid == os.getpid():
            return
        with self._lock:
            new = peer not in self._watchers
            self._watchers.setdefault(peer, set()).add(watcher)
            self._peer_of[watcher] = peer
            try:
                if new and not pid:
                    spawn(self._outlive, peer)
                elif new and not self._open(pid):
                    spawn(self._gone, peer)
            except Broken:
                self._drop(peer)
                raise

    def forget(self, watcher: Watcher) -> None:
        """Watch no more on behalf of `watcher`."""
        with self._lock:
            if (peer := self._peer_of.pop(watcher, None)) is not None:
                self._watchers[peer].discard(watcher)
                if not self._watchers[peer] and peer[0] == "pid":
                    self._drop(peer)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call`, which must not wait, after so many seconds: the same at each call of this."""
        with self._lock:
            self._begin()
            self._due.append((time.monotonic() + seconds, call))
            if len(self._due) == 1:
                os.eventfd_write(self._alarm, 1)

    def close(self) -> None:
        """Watch nobody any more, and end the thread."""
        with self._lock:
            for peer in list(self._watchers):
                self._drop(peer)
            if self._epoll is not None:
                os.eventfd_write(self._alarm, 1)
            self._epoll = None

    def _begin(self) -> select.epoll:
        if self._epoll is None:
            try:
                self._alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
                self._epoll = select.epoll()
            except OSError as error:
                raise Broken(f"ipc: no descriptor to watch with: {error.strerror}") from None
            self._epoll.register(self._alarm, select.EPOLLIN | select.EPOLLET)
            spawn(self._run, self._epoll, self._alarm)
        return self._epoll

    def _open(self, pid: int) -> bool:
        try:
            self._pidfds[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        except OSError as error:
            raise Broken(f"ipc: process {pid} cannot be watched: {error.strerror}") from None
        self._begin().register(self._pidfds[pid], select.EPOLLIN)
        return True

    def _run(self, epoll: select.epoll, alarm: int) -> None:
        while self._epoll is epoll:
            pause = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            ready = {fd for fd, _ in epoll.poll(pause)}
            with self._lock:
                gone = [pid for pid, pidfd in self._pidfds.items() if pidfd in ready]
            for pid in gone:
                self._gone(("pid", pid))
            while self._due and self._due[0][0] <= time.monotonic():
                self._due.popleft()[1]()
        epoll.close()
        os.close(alarm)

    def _outlive(self, peer: Peer) -> None:
        wait_until_gone(peer[1])
        self._gone(peer)

    def _gone(self, peer: Peer) -> None:
        with self._lock:
            watchers = self._drop(peer)
        for watcher in watchers:
            watcher.lost()

    def _drop(self, peer: Peer) -> set[Watcher]:
        pidfd = self._pidfds.pop(peer[1], None) if peer[0] == "pid" else None
        if pidfd is not None:
            if self._epoll is not None:
                with contextlib.suppress(OSError):
                    self._epoll.unregister(pidfd)
            os.close(pidfd)
        watchers = self._watchers.pop(peer, set())
        for watcher in watchers:
            self._peer_of.pop(watcher, None)
        return watchers
