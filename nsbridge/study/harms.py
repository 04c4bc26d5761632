"""What can be done to a lab, one harm a function; knows no verdict.

Each returns when it was over, in time.monotonic(): what lasts is recovered from only then. Each sees to it that it
came about: a full queue has refused a message, a missing descriptor has turned a stream away.

The server is the init process of B, so there is no killing it without B.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from nsbridge.containers.container import Container
from nsbridge.containers.roles import A
from nsbridge.containers.runtime import python_argv, python_env
from nsbridge.endpoints import endpoint
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab
from nsbridge.study.talker import Talker

_PAUSE = 0.05  # seconds for which something lasts
_LONGER = 0.5  # seconds in which somebody tries to open a stream


@dataclass(frozen=True)
class Scene:
    """What a harm may touch."""

    lab: Lab
    """As it is now: found anew for each harm."""
    talkers: Sequence[Talker]
    chance: random.Random

    @property
    def somebody(self) -> Talker:
        """One of those who talk."""
        return self.chance.choice(self.talkers)


Harm = Callable[[Scene], float]


def _kill_client(scene: Scene) -> float:
    scene.somebody.signal(signal.SIGKILL)
    return time.monotonic()


def _stop_client(scene: Scene) -> float:
    talker = scene.somebody
    talker.signal(signal.SIGSTOP)
    time.sleep(_PAUSE)
    talker.signal(signal.SIGCONT)
    return time.monotonic()


def _kill(part: str) -> Harm:
    def kill(scene: Scene) -> float:
        os.kill(scene.lab.pids()[part], signal.SIGKILL)
        return time.monotonic()

    return kill


def _end_container(side: str) -> Harm:
    def end(scene: Scene) -> float:
        over = _kill(side)(scene)
        scene.lab.restart(side)
        return over

    return end


def _kill_supervisor(scene: Scene) -> float:
    os.kill(scene.lab.status()["supervisor"]["pid"], signal.SIGKILL)
    Lab.find(scene.lab.name).supervise()  # as the next command would
    return time.monotonic()


def _stop(part: str) -> Harm:
    def stop(scene: Scene) -> float:
        with _stopped(scene.lab.pids()[part]):
            time.sleep(_PAUSE)
        return time.monotonic()

    return stop


def _take_descriptors(scene: Scene) -> float:
    pid = scene.lab.pids()["bridge"]
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, hard))
    openers = []
    try:
        for _ in range(2):  # an accept(2) that waits has the descriptor of the next stream already
            openers.append(_opener(scene.lab))
            with suppress(subprocess.TimeoutExpired):  # turned away, or left waiting
                openers[-1].wait(_LONGER)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    over = time.monotonic()
    if openers[-1].returncode == 0:
        raise NsbridgeError("the bridge opened a stream without a descriptor")
    for opener in openers:
        opener.wait()
    return over


def _stall(scene: Scene) -> float:
    with strained(scene.lab.a, "stream", *endpoint(scene.lab.x, A), until="EAGAIN"):
        time.sleep(_PAUSE)
    return time.monotonic()


def _fill_disk(scene: Scene) -> float:
    with strained(_side(scene.lab, "mnt"), "disk", "/run/nsbridge", until="ENOSPC"):
        time.sleep(_PAUSE)
    return time.monotonic()


def _overflow(scene: Scene) -> float:
    pids = scene.lab.pids()
    with (
        _stopped(pids["bridge"]),
        strained(_side(scene.lab, "mnt"), "events", "/run/nsbridge", until="IN_Q_OVERFLOW"),
    ):
        pass
    return time.monotonic()


def _fill_queue(scene: Scene) -> float:
    side = _side(scene.lab, "ipc")
    listener = scene.lab.pids()["bridge" if side is scene.lab.a else "b"]
    with _stopped(listener), strained(side, "requests", "5566", until="EAGAIN"):
        time.sleep(_PAUSE)
    return time.monotonic()


def _take_queues(scene: Scene) -> float:
    with strained(_side(scene.lab, "ipc"), "queues", until="ENOSPC"):
        if _opener(scene.lab).wait() == 0:
            raise NsbridgeError("a stream was opened though there were no queues")
    return time.monotonic()


ALWAYS: dict[str, Harm] = {
    "SIGKILL of a client": _kill_client,
    "SIGKILL of the bridge": _kill("bridge"),
    "SIGKILL of A's init": _end_container("a"),
    "SIGKILL of B's init, the server": _end_container("b"),
    "SIGKILL of the supervisor": _kill_supervisor,
    "SIGSTOP and SIGCONT of a client": _stop_client,
    "SIGSTOP and SIGCONT of the bridge": _stop("bridge"),
    "SIGSTOP and SIGCONT of the server": _stop("b"),
    "EMFILE in the bridge": _take_descriptors,
    "a full stream that nobody reads": _stall,
}
WITH: dict[str, dict[str, Harm]] = {
    "net": {},
    "ipc": {"a full queue of requests": _fill_queue, "msgmni reached": _take_queues},
    "mnt": {"a full disk": _fill_disk, "an inotify overflow": _overflow},
}


def harms(x: str, y: str) -> dict[str, Harm]:
    """Return what can be done to a lab of the pair `x-y`, by name."""
    return ALWAYS | WITH[x] | WITH[y]


@contextmanager
def strained(container: Container, what: str, *where: str, until: str) -> Iterator[None]:
    """Have something used up in a container; see programs/strain.py.

    Raises:
        NsbridgeError: that did not end as it should, in the error `until`.
    """
    argv = container.exec_argv(python_argv("nsbridge.programs.strain", what, *where), python_env())
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line.endswith(f" {until}\n"):
            raise NsbridgeError(f"{what} was to end in {until}, and did in {line.strip() or 'nothing'}")
        yield
        process.communicate()


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _opener(lab: Lab) -> subprocess.Popen[bytes]:
    """Let somebody in A try once to open a stream, who exits with 1 if it is refused."""
    argv = lab.run_argv("ready", "0", *endpoint(lab.x, A))
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _side(lab: Lab, kind: str) -> Container:
    return lab.a if lab.x == kind else lab.b
