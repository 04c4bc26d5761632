"""What a bridge is held against: a C program on the same two media, socat, and no bridge at all.

Each returns samples in microseconds, or seconds for a flood; None where what it needs is not on this host.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nsbridge import privilege
from nsbridge.containers.layers import digest, layer
from nsbridge.containers.roles import A
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab, endpoint
from nsbridge.study.measure import read_json

_SOURCE = Path(__file__).with_name("floor.c")
_SPARE = {"net": "8", "ipc": "5567", "mnt": "/run/nsbridge/direct"}  # an endpoint beside the bridge's


def floor() -> Path | None:
    """Return the compiled C program, made at first use; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None

    def build(folder: Path) -> None:
        argv = [compiler, "-O2", "-o", str(folder / "floor"), str(_SOURCE)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NsbridgeError(f"{compiler} cannot compile {_SOURCE.name}: {done.stderr.strip().splitlines()[0]}")

    return layer(privilege.home() / "layers", "floor", digest(_SOURCE.read_text()), build) / "floor"


def c_round_trips(pair: str, size: int, count: int) -> list[float] | None:
    """Return round trips through a relay in C; `pair` may be one kind, for no relay."""
    found = _floor("chain", pair, size, count)
    return found["rtt_us"] if found else None


def c_flood(pair: str, size: int, count: int) -> float | None:
    """Return the seconds that `count` chunks of `size` bytes and their echoes take through a relay in C."""
    found = _floor("flood", pair, size, count)
    return found["seconds"] if found else None


def socat_round_trips(size: int, count: int) -> list[float] | None:
    """Return round trips from TCP through socat to a server in C on a UNIX socket."""
    program = floor()
    if program is None or shutil.which("socat") is None:
        return None
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        with _running([str(program), "server", f"{folder}/echo"]) as server:
            _first_line(server)
            relay = ["socat", "-d", "-d", f"TCP-LISTEN:{port},bind=127.0.0.1,nodelay", f"UNIX-CONNECT:{folder}/echo"]
            with _running(relay) as listening:
                _first_line(listening)
                found: list[float] = read_json([str(program), "client", str(port), str(size), str(count)])["rtt_us"]
                return found


def direct_round_trips(lab: Lab, size: int, count: int) -> list[float]:
    """Return round trips in container A alone: our client, our server, the medium of X, no bridge."""
    words = endpoint(lab.x, A)
    words[-1] = _SPARE[lab.x]
    if lab.x == "mnt":
        subprocess.run(lab.a.exec_argv(["/opt/nsbridge/runtime/bin/busybox", "mkdir", "-p", words[-1]]), check=True)
    with _running(lab.run_argv("echo", *words)):
        subprocess.run(lab.run_argv("ready", "10", *words), check=True)
        found: list[float] = read_json(lab.run_argv("ping", str(size), str(count), *words))["rtt_us"]
        return found


def _floor(what: str, pair: str, size: int, count: int) -> dict[str, Any] | None:
    program = floor()
    if program is None:
        return None
    x, _, y = pair.partition("-")
    return read_json([str(program), what, x, y or "-", str(size), str(count)])


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
