"""What a bridge is held against: a C program on the same two media, socat, and no bridge at all.

Each returns microseconds a round trip, or MiB a second; none where what it needs is not on this host.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nsbridge.containers.container import Container
from nsbridge.containers.runtime import BUSYBOX, python_argv, python_env
from nsbridge.endpoints import endpoint
from nsbridge.lab import Lab
from nsbridge.study.compiled import compiled
from nsbridge.study.measure import rate, read_json

_SPARE = {"net": "8", "ipc": "5567", "mnt": "/run/nsbridge/direct"}  # an endpoint beside the bridge's
RELAYS = ("tcp-unix", "tcp-tcp")
"""What socat is asked to relay: from TCP to a UNIX socket, and to TCP."""


def c_round_trips(pair: str, size: int, count: int) -> list[float]:
    """Return round trips through a relay in C, between a client and a server in C."""
    return list(_floor("chain", pair, size, count).get("rtt_us", ()))


def c_rate(pair: str, size: int, count: int) -> list[float]:
    """Return the throughput of `count` chunks of `size` bytes and their echoes through a relay in C."""
    return rate(_floor("flood", pair, size, count))


def socat_round_trips(relay: str, size: int, count: int) -> list[float]:
    """Return round trips between a client and a server in C through socat; `relay` is one of RELAYS."""
    return list(_socat("client", relay, size, count).get("rtt_us", ()))


def socat_rate(relay: str, size: int, count: int) -> list[float]:
    """Return the throughput likewise."""
    return rate(_socat("pour", relay, size, count))


def direct_round_trips(lab: Lab, side: str, size: int, count: int) -> list[float]:
    """Return round trips inside one container: our client, our server, the medium of that side, no bridge.

    Args:
        lab: a lab that is up.
        side: `a` for the medium of X, `b` for that of Y.
        size: bytes of a message.
        count: how many.
    """
    kind, container = (lab.x, lab.a) if side == "a" else (lab.y, lab.b)
    words = endpoint(kind, container.role)
    words[-1] = _SPARE[kind]
    if kind == "mnt":
        subprocess.run(container.exec_argv([BUSYBOX, "mkdir", "-p", words[-1]]), check=True)
    with _running(_program(container, "echo", *words)):
        subprocess.run(_program(container, "ready", "10", *words), check=True)
        found: list[float] = read_json(_program(container, "ping", str(size), str(count), *words))["rtt_us"]
        return found


def _program(container: Container, name: str, *words: str) -> list[str]:
    return container.exec_argv(python_argv(f"nsbridge.programs.{name}", *words), python_env())


def _floor(what: str, pair: str, size: int, count: int) -> dict[str, Any]:
    program = compiled("floor")
    return read_json([str(program), what, *pair.split("-"), str(size), str(count)]) if program else {}


def _socat(what: str, relay: str, size: int, count: int) -> dict[str, Any]:
    program = compiled("floor")
    if program is None or shutil.which("socat") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        port, place = str(_free_port()), f"{folder}/echo" if relay == "tcp-unix" else str(_free_port())
        with _running([str(program), "server", place]) as server:
            _first_line(server)
            target = f"UNIX-CONNECT:{place}" if relay == "tcp-unix" else f"TCP:127.0.0.1:{place},nodelay"
            listen = ["socat", "-d", "-d", f"TCP-LISTEN:{port},bind=127.0.0.1,nodelay", target]
            with _running(listen) as listening:
                _first_line(listening)
                return read_json([str(program), what, port, str(size), str(count)])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(argv: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _first_line(process: subprocess.Popen[str]) -> None:
    """Wait until the process says that it is ready."""
    if process.stdout is not None:
        process.stdout.readline()
