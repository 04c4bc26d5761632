"""A side of a bridge from within: this process's own threads, in the namespaces of a container."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import pyprctl

from nsbridge.media.base import Medium
from nsbridge.media.sysv import largest_message
from nsbridge.media.table import medium
from nsbridge.namespaces import Kind, join

from .stage import Stage

Params = ParamSpec("Params")
Result = TypeVar("Result")


class Inside:
    """A thread in the NET and IPC namespaces of a container, which does there what it is told.

    Threads that it starts are there as well. None can join MNT: that endpoint is named as the host sees it.
    """

    def __init__(self, stage: Stage, side: str) -> None:
        """Enter container `a` or `b`."""
        self.words = stage.words(side)
        if self.words[0] == "mnt":
            self.words[1] = f"{stage.root(side)}{self.words[1]}"
        self._pool = ThreadPoolExecutor(1, initializer=_enter, initargs=(stage.lab.pid(side),))

    def start(self, call: Callable[Params, Result], *args: Params.args, **more: Params.kwargs) -> Future[Result]:
        """Let the thread do something."""
        return self._pool.submit(call, *args, **more)

    def do(self, call: Callable[Params, Result], *args: Params.args, **more: Params.kwargs) -> Result:
        """Let the thread do something, and return what it returns."""
        return self.start(call, *args, **more).result(60)

    @contextmanager
    def medium(self) -> Iterator[Medium]:
        """The bridge's endpoint here."""
        endpoint = self.do(medium, *self.words)
        yield endpoint
        self.do(endpoint.close)

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()
        largest_message.cache_clear()


def _enter(pid: int) -> None:
    pidfd = os.pidfd_open(pid)
    join(pidfd, Kind.NET)
    join(pidfd, Kind.IPC)
    largest_message.cache_clear()  # it is of the namespace
    os.close(pidfd)
    # what is made in its files needs an owner whom its user namespace knows; it is this thread's alone (setfsuid(2))
    owner = os.stat(f"/proc/{pid}/root/tmp")
    pyprctl.setfsgid(owner.st_gid)
    pyprctl.setfsuid(owner.st_uid)
