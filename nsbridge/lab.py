"""A lab: container A, container B and the bridge as one thing with a beginning and an end."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from nsbridge import privilege
from nsbridge.alive import Process
from nsbridge.bridging import STEPS, BridgeProcess
from nsbridge.containers import processes
from nsbridge.containers.config import read, template
from nsbridge.containers.container import Container
from nsbridge.containers.layers import folder
from nsbridge.containers.roles import A, B
from nsbridge.containers.runc import Runc
from nsbridge.containers.runtime import python_argv, python_env
from nsbridge.endpoints import ECHO, endpoint
from nsbridge.errors import ContainerError, NsbridgeError, UsageError
from nsbridge.namespaces import Kind
from nsbridge.pairs import parse
from nsbridge.record import HOLDER, Record, folder_of
from nsbridge.status import status

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 — of a container that nothing else reaches
_SHELL = ("/opt/nsbridge/runtime/bin/busybox", "sh", "-c")
_PATIENCE = 30.0  # seconds until the first echo: on an idle machine it takes less than one

Given = Path | Mapping[str, Path] | None
"""What a user gives in place of the lab's own: for both containers, or by role."""


class Lab:
    """Two containers and a bridge. As a context manager it is taken down on the way out.

    `up` does all; a notebook takes the steps one by one: `prepare`, `create`, `start`, then `step` through
    STEPS, then `wait`.
    """

    steps = STEPS

    def __init__(self, pair: str = "net-ipc", name: str = "lab", stamps: bool = False) -> None:
        """Name a lab; nothing is made yet.

        Args:
            pair: the kinds shared with A and with B, such as `net-ipc`.
            name: lower-case letters, digits, `.`, `_` and `-`.
            stamps: whether the bridge and the echo server note the times at which bytes pass; see study/hops.py.

        Raises:
            UsageError: there is no such pair, or the name cannot be one.
        """
        self.name, self._stamps = name, stamps
        self.x, self.y = parse(pair)
        home = privilege.home()
        self.folder = folder_of(name)
        rootless = privilege.rootless()
        runc = Runc(home / "runc" if rootless else Path("/run/runc"), rootless)
        self.a, self.b = (
            Container(role, f"{name}-{role.name}", self.folder / role.name, home / "layers", runc) for role in (A, B)
        )
        self._record = Record(pair)
        self._bridge: BridgeProcess | None = None
        self._claimed = False

    @classmethod
    def find(cls, name: str = "lab") -> Lab:
        """Return the lab that goes by `name`, made by whichever process.

        Raises:
            UsageError: there is none, or what is left of it is no lab.
        """
        record = Record.read(name)
        lab = cls(record.pair, name)
        lab._record = record
        return lab

    def __enter__(self) -> Self:
        """Return the lab itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Take it down."""
        self.down()

    @property
    def pair(self) -> str:
        """The pair, such as `net-ipc`."""
        return f"{self.x}-{self.y}"

    def up(
        self,
        rootfs: Given = None,
        config: Given = None,
        say: Callable[[str], None] = lambda _: None,
        server: str | None = None,
        port: int = ECHO,
    ) -> Self:
        """Make the lab and return once an echo went all the way; if that fails, nothing is left.

        Nobody mends it yet: see `supervise`.

        Args:
            rootfs: a root file system in place of busybox's, for both containers or by role (`a`, `b`).
            config: a config.json in place of the templates, likewise.
            say: is told of each step.
            server: what a shell runs in B in place of the echo server; it has to accept a stream, and need not echo.
            port: where that one listens, if NET is shared with B.

        Raises:
            UsageError: the name is in use, or rootfs or config cannot be used.
            NsbridgeError: a step failed.
        """
        try:
            self._claim()
            say("building the bundles")
            for change in self.prepare(rootfs, config, server, port):
                say(f"  {change}")
            say("starting containers A and B")
            self.create()
            self.start()
            for step in STEPS:
                say(f"bridge: {step}")
                self.step(step)
            say("waiting for the first echo" if server is None else "waiting for the server")
            self.wait()
        except BaseException:
            if self._claimed:
                self.down()
            raise
        return self

    def prepare(
        self, rootfs: Given = None, config: Given = None, server: str | None = None, port: int = ECHO
    ) -> list[str]:
        """Make both bundles; return a line for each change to a config.json that was given. See `up`."""
        self._claim()
        self._record.echoes, self._record.port = server is None, port
        waiting = read(template(A.name))["process"]["args"]  # another's program, a shell say, would end at once
        # on any address: a container that is started again gets its own only then
        echo = python_argv(
            "nsbridge.programs.echo",
            *["--stamps"] * self._stamps,
            *(["net", _ANY_ADDRESS, "7"] if self.y == "net" else endpoint(self.y, B)),
        )
        changes = []
        for container, program in ((self.a, waiting), (self.b, echo if server is None else [*_SHELL, server])):
            role = container.role.name
            own = _given(config, role)
            lines = container.prepare(program, _given(rootfs, role), own)
            changes += [f"{role}: {line}" for line in lines if own]
        return changes

    def create(self) -> None:
        """Let runc make both containers, at once, and give them their networks; a bridge process is begun."""
        self.begin_bridge()
        with ThreadPoolExecutor(2) as pool:
            self._record.a, self._record.b = pool.map(_create, (self.a, self.b))
        self.order_bridge()

    def begin_bridge(self) -> None:
        """Start a bridge process, which imports what it needs and waits for its order."""
        self._bridge = BridgeProcess(self.folder / "bridge.log")
        self._record.bridge = Process.of(self._bridge.pid)
        self._record.write(self.name)

    def order_bridge(self) -> None:
        """Tell the bridge which processes and endpoints it has to join."""
        self._record.write(self.name)
        if self._bridge is not None:
            self._bridge.order(self._record.a, self._record.b, endpoint(self.x, A), self._service(), self._stamps)

    def start(self) -> None:
        """Let both containers run their programs."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Container.start, (self.a, self.b)))

    def step(self, name: str) -> dict[Kind, int]:
        """Take one of the bridge's steps; return the namespaces that it is in afterwards."""
        if self._bridge is None:
            raise UsageError("there is no bridge yet; take the steps prepare, create and start first")
        return self._bridge.step(name)

    def wait(self) -> None:
        """Wait for the first echo; from a server that need not echo, until it accepts a stream.

        Raises:
            NsbridgeError: it did not come.
        """
        argv = self.run_argv("ready", str(_PATIENCE), *endpoint(self.x, A))
        if not self._record.echoes:
            ready = python_argv("nsbridge.programs.ready", "--accepts", str(_PATIENCE), *self._service())
            argv = self.b.exec_argv(ready, python_env())
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode:
            log = (self.folder / "bridge.log").read_text(errors="replace")
            words = [text.strip().rpartition("\n")[2] for text in (result.stderr, self.b.output(), log)]
            what = "no echo came back" if self._record.echoes else "the server in B does not accept a stream"
            raise NsbridgeError(f"{what}: {'; '.join(filter(None, words))}; see `nsbridge preflight`")

    def supervise(self) -> Self:
        """Leave a process behind that mends the lab when a part of it dies; see supervisor.py."""
        self._record.leave(self.name, "supervisor", [sys.executable, "-I", "-m", "nsbridge.supervisor", self.name])
        return self

    def supervised(self) -> bool:
        """Whether the process that `supervise` left is there; True for a lab that never had one."""
        return self._record.supervisor is None or self._record.supervisor.alive()

    def restart(self, part: str) -> None:
        """End `a`, `b` or `bridge` and return once an echo went all the way again.

        The container is made anew from its bundle, with new namespaces; the supervisor lets a new bridge join them.

        Raises:
            UsageError: nobody supervises this lab.
            NsbridgeError: runc refused, or no echo came.
        """
        if self._record.supervisor is None:
            raise UsageError(f"nobody supervises lab {self.name!r}, made step by step; make it with `nsbridge up`")
        if part == "bridge":
            if self._record.bridge is not None:
                self._record.bridge.kill()
        else:
            container = {"a": self.a, "b": self.b}[part]
            container.end()
            container.create()
            container.start()
        self.wait()

    def glance(self) -> list[object]:
        """Return what is another thing once `mend` may find what it did not find before."""
        return [container.runc.glance(container.id) for container in (self.a, self.b)]

    def replace_bridge(self, reason: str) -> None:
        """Begin a bridge in place of one that is gone; while it imports what it needs, a container may come back."""
        self._record.restarts += 1
        self._record.reason = reason
        if self._bridge is not None:
            self._bridge.end()
        self.begin_bridge()

    def mend(self) -> bool:
        """Let the bridge of `replace_bridge` join the containers; return False if one of them does not run.

        Raises:
            NsbridgeError: a step failed, and with it the bridge.
        """
        states = [container.state() for container in (self.a, self.b)]
        if any(state.status != "running" for state in states):
            return False
        for container, state in zip((self.a, self.b), states, strict=True):
            if state.pid != getattr(self._record, container.role.name):
                container.connect(state.pid)
                setattr(self._record, container.role.name, state.pid)
        if self._bridge is None or self._bridge.ended:
            self.begin_bridge()
        self.order_bridge()
        for step in STEPS:
            self.step(step)
        return True

    def must_exist(self) -> None:
        """Raise UsageError where nothing of the lab is there: it is not made yet, or was taken down."""
        if not self.folder.exists():
            raise UsageError(f"there is no lab {self.name!r} (any more): make it; in a notebook, run all cells again")

    def run_argv(self, program: str, *args: str, tty: bool = False) -> list[str]:
        """Return the command that runs one of nsbridge's programs in container A.

        Raises:
            UsageError: the lab is not there.
        """
        self.must_exist()
        return self.a.exec_argv(python_argv(f"nsbridge.programs.{program}", *args), python_env(), tty)

    def client_argv(self, *, raw: bool = False, tty: bool = False) -> list[str]:
        """Return the command that runs the client in container A."""
        return self.run_argv("client", *["--raw"] * raw, *endpoint(self.x, A), tty=tty)

    def pids(self) -> dict[str, int]:
        """Return the processes of A, bridge and B as the host sees them; 0 for one that is not there."""
        return {
            "a": self._record.a,
            "bridge": self._record.bridge.pid if self._record.bridge else 0,
            "b": self._record.b,
        }

    def running(self) -> bool:
        """Whether both containers and the bridge are alive."""
        try:
            states = [container.state().status for container in (self.a, self.b)]
        except ContainerError:
            return False
        bridge = self._record.bridge
        return states == ["running", "running"] and bridge is not None and bridge.alive()

    def status(self) -> dict[str, Any]:
        """Return what `nsbridge status --json` shows."""
        return status(self._record, self.a, self.b, running=self.running())

    def down(self) -> None:
        """End the bridge, remove both containers and all that was made for them; nothing there is success."""
        with suppress(UsageError):  # bridge and supervisor may be others than those that this object knows
            self._record = Record.read(self.name)
        if self._record.supervisor is not None:
            self._record.supervisor.kill()  # first: it would mend what ends now
        if self._bridge is not None:
            self._bridge.end()
            self._bridge = None
        processes.kill(processes.marked(self.folder))  # by what they are: what is on record may be no longer true
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Container.stop, (self.a, self.b)))
        shutil.rmtree(self.folder, ignore_errors=True)
        for place in (self.folder.parent, self.a.runc.root) if privilege.rootless() else (self.folder.parent,):
            with suppress(OSError):
                place.rmdir()
        self._record, self._claimed = Record(self.pair), False

    def _service(self) -> list[str]:
        return endpoint(self.y, B, self._record.port)

    def _claim(self) -> None:
        """Take the name.

        Raises:
            UsageError: it is in use.
        """
        if self._claimed:
            return
        folder(self.folder.parent)
        try:
            self.folder.mkdir()
        except FileExistsError:
            raise UsageError(
                f"the name {self.name!r} is in use; give another with --name, or `nsbridge down --name {self.name}`"
            ) from None
        self._claimed = True
        self.folder.chmod(0o755)
        if privilege.rootless():
            self._record.leave(self.name, "holder", HOLDER)
        self._record.write(self.name)


def _given(given: Given, role: str) -> Path | None:
    return given.get(role) if isinstance(given, Mapping) else given


def _create(container: Container) -> int:
    pid = container.create()
    container.connect(pid)
    return pid
