"""Tells when a process is gone, asking the kernel through pidfds; knows no medium.

Source: pidfd_open(2).
"""

from __future__ import annotations

import os
import select
import threading
from typing import Protocol

from nsbridge.media.base import spawn


class Watcher(Protocol):
    """Who wants to know."""

    def lost(self) -> None:
        """The process is gone; called from the watching thread, must not wait."""


class Peers:
    """The processes on the other side, each with the streams it has here. One thread, begun with the first."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._lock = threading.Lock()
        self._epoll: select.epoll | None = None
        self._pidfds: dict[int, int] = {}  # by pid
        self._watchers: dict[int, set[Watcher]] = {}  # by pid

    def watch(self, pid: int, watcher: Watcher) -> None:
        """Tell `watcher` once when process `pid` is gone; a pid that cannot be seen from here (0) is not watched."""
        if pid in (0, os.getpid()):
            return
        with self._lock:
            if pid not in self._pidfds:
                try:
                    self._pidfds[pid] = os.pidfd_open(pid)
                except ProcessLookupError:
                    spawn(watcher.lost)
                    return
                self._watchers[pid] = set()
                if self._epoll is None:
                    self._epoll = select.epoll()
                    spawn(self._run, self._epoll)
                self._epoll.register(self._pidfds[pid], select.EPOLLIN)
            self._watchers[pid].add(watcher)

    def forget(self, pid: int, watcher: Watcher) -> None:
        """Watch no more on behalf of `watcher`."""
        with self._lock:
            watchers = self._watchers.get(pid)
            if watchers is not None:
                watchers.discard(watcher)
                if not watchers:
                    self._drop(pid)

    def _run(self, epoll: select.epoll) -> None:
        while True:
            for gone, _ in epoll.poll():
                with self._lock:
                    pid = next((pid for pid, pidfd in self._pidfds.items() if pidfd == gone), 0)
                    watchers = self._drop(pid) if pid else set()
                for watcher in watchers:
                    watcher.lost()

    def _drop(self, pid: int) -> set[Watcher]:
        pidfd = self._pidfds.pop(pid)
        if self._epoll is not None:
            self._epoll.unregister(pidfd)
        os.close(pidfd)
        return self._watchers.pop(pid)
