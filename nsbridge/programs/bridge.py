"""The bridge: joins one namespace of A and another of B, and relays streams from the one to the other.

It is driven from outside: standard input has its order in JSON (`{"a": pid, "b": pid, "x": words, "y": words}`, and
`"stamps": true` to note times) on one line, then a step on each; it answers each step with a line of JSON. It knows
two processes and two endpoints, and neither runc nor a lab nor echo.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.machinery
import json
import os
import resource
import select
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field

import pyprctl

from nsbridge.errors import NsbridgeError
from nsbridge.media.base import SWITCH, Done, Listener, Medium, Stream, spawn
from nsbridge.media.table import medium
from nsbridge.namespaces import Kind, join
from nsbridge.programs.confine import confine
from nsbridge.programs.stamps import Stamped
from nsbridge.relay import Relay, serve_through

STEPS = ("open", "join x", "join y", "attach", "confine", "serve")
_ORDER = f"take the steps in their order: {', '.join(STEPS)}"
_STACK = 256 * 1024  # bytes for a thread; there are two to a stream


@dataclass
class Bridge:
    """One bridge, step by step. `a` and `b` are pids; `x` and `y` endpoints in words, as media.table takes them."""

    a: int
    b: int
    x: list[str]
    y: list[str]
    stamps: bool = False
    """Whether the times are noted at which bytes pass."""
    _pidfds: dict[str, int] = field(default_factory=dict)
    _listener: Listener | None = None
    _server: Medium | None = None

    def open(self) -> None:
        """Open a pidfd of each container's process, while this process is still at home."""
        for side, pid in (("a", self.a), ("b", self.b)):
            try:
                self._pidfds[side] = os.pidfd_open(pid)
            except ProcessLookupError:
                raise NsbridgeError(f"process {pid} of container {side} is gone; start the container again") from None

    def join_x(self) -> None:
        """Join X, a namespace of A."""
        _stay_at_home()
        join(self._pidfd("a"), Kind[self.x[0].upper()])

    def join_y(self) -> None:
        """Join Y, a namespace of B."""
        join(self._pidfd("b"), Kind[self.y[0].upper()])

    def attach(self) -> None:
        """Serve the endpoint in X."""
        if self.x[0] == "mnt":
            # what is made there needs an owner whom that mount namespace knows, as who owns the folder is
            folder = os.stat(self.x[1])
            pyprctl.setfsgid(folder.st_gid)
            pyprctl.setfsuid(folder.st_uid)
        self._listener = medium(*self.x).listen()
        self._server = medium(*self.y)

    def confine(self) -> None:
        """Join the USER namespace of one container, last of all, and give up every privilege.

        Files that the bridge makes must have an owner whom that container's mount namespace knows, so it is that
        of the container behind MNT. Before, while still the owner of both containers' USER namespaces, the bridge
        would have all capabilities in them whatever it dropped.
        """
        join(self._pidfd("a" if self.x[0] == "mnt" else "b"), Kind.USER)
        folder = next((words[1] for words in (self.x, self.y) if words[0] == "mnt"), None)
        port = int(self.y[2]) if self.y[0] == "net" else None
        confine(folder, port)

    def serve(self) -> None:
        """Relay each stream that comes, until a container dies."""
        if self._listener is None or self._server is None:
            raise NsbridgeError(f"there is nothing to serve; {_ORDER}")
        spawn(self._watch)
        serve_through(self._listener, self._server, _log, _stamped if self.stamps else Relay)

    def _pidfd(self, side: str) -> int:
        if side not in self._pidfds:
            raise NsbridgeError(f"no container is open; {_ORDER}")
        return self._pidfds[side]

    def _watch(self) -> None:
        """End the bridge when a container ends: its namespaces would live on through this process."""
        poll = select.poll()
        sides = {pidfd: side for side, pidfd in self._pidfds.items()}
        for pidfd in sides:
            poll.register(pidfd, select.POLLIN)
        ((pidfd, _), *_) = poll.poll()
        _log(f"container {sides[pidfd]} ended, and the bridge with it")
        os._exit(3)


def _stamped(stream: Stream, there: Stream, done: Done) -> Relay:
    return Relay(Stamped(stream, "down"), Stamped(there, "up"), done)


def _log(line: str) -> None:
    with suppress(OSError):  # the disk is full, or the log as long as it may be
        os.write(2, f"bridge: {line}\n".encode(errors="backslashreplace"))


def _stay_at_home() -> None:
    """See to it that nothing is imported or loaded from here on: after a join the files are a container's."""
    ctypes.CDLL("libgcc_s.so.1")  # pthread_exit would load it later, and abort where it is missing
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter]
    # a traceback would be printed with source lines from files of the container
    threading.excepthook = lambda args: _log(f"{args.exc_type.__name__}: {args.exc_value}")


def _prepare() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(_STACK)
    sys.setswitchinterval(SWITCH)
    gc.freeze()


def main() -> int:
    """Take the steps that standard input names; end at its end unless serving by then."""
    _prepare()
    order = sys.stdin.readline()
    if not order:
        return 0
    bridge = Bridge(**json.loads(order))
    null = os.open(os.devnull, os.O_RDWR)
    for line in sys.stdin:
        step = line.strip()
        try:
            if step not in STEPS:
                raise NsbridgeError(f"no step {step!r}; they are: {', '.join(STEPS)}")
            if step == "serve":
                _answer(step)
                os.dup2(null, 0)
                os.dup2(null, 1)
                os.close(null)
            getattr(bridge, step.replace(" ", "_"))()
        except NsbridgeError as error:
            _answer(step, str(error))
            return 1
        _answer(step)
    return 0


def _answer(step: str, error: str | None = None) -> None:
    print(json.dumps({"step": step, "error": error}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
