"""Programs that were written from the wire forms' pages alone, at both ends of a real bridge at once."""

import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nsbridge.lab import Lab

from .place import Place, eventually, settled

PLACES = {"net": ["10.77.1.1", "7"], "ipc": ["5566"], "mnt": ["/run/nsbridge"]}
CLIENTS = {"net": "nc", "ipc": "ipc-client", "mnt": "mnt-client.sh"}
SERVERS = {"net": "socat TCP-LISTEN:7,fork,reuseaddr EXEC:cat", "ipc": "ipc-echo", "mnt": "mnt-echo.sh"}


@pytest.fixture(scope="session", params=["net-ipc", "net-mnt", "ipc-net", "ipc-mnt", "mnt-net", "mnt-ipc"])
def strange(request: pytest.FixtureRequest, make: Callable[..., Place], tools: Path) -> Place:
    """A lab whose server is a stranger."""
    pair: str = request.param
    return make(pair, "--rootfs", tools, "--server", SERVERS[pair.partition("-")[2]])


def in_a(lab: Place, *words: str) -> list[str]:
    return Lab.find(lab.name).a.exec_argv([*words], {"PATH": "/bin"})


def talk(argv: list[str], data: bytes, code: int = 0) -> bytes:
    """Run a program with this on standard input, and return what it printed."""
    done = subprocess.run(argv, input=data, capture_output=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout


def pids(lab: Place, word: str) -> list[int]:
    """Return the processes in container A with this in their command."""
    own = os.stat(f"/proc/{lab.pid('a')}/ns/pid").st_ino
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.stat(place / "ns/pid").st_ino == own and word in (place / "cmdline").read_text():
                found.append(int(place.name))
    return found


def client(lab: Place) -> list[str]:
    kind = lab.pair.partition("-")[0]
    return in_a(lab, f"/bin/{CLIENTS[kind]}", *(["-N"] if kind == "net" else []), *PLACES[kind])


@pytest.mark.parametrize("size", [0, 1, 8193, 300_000])
def test_a_stranger_talks_to_a_stranger(strange: Place, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert talk(client(strange), data) == data


def test_our_client_talks_to_a_stranger(strange: Place) -> None:
    lab = Lab.find(strange.name)
    lines = b"".join(b"line %d\n" % number for number in range(2000))
    assert talk(lab.client_argv(), lines) == lines
    data = os.urandom(500_000)
    assert talk(lab.client_argv(raw=True), data) == data


def test_strangers_side_by_side(strange: Place) -> None:
    wrong: list[int] = []

    def one(number: int) -> None:
        data = random.Random(number).randbytes(20_000)
        if talk(client(strange), data) != data:
            wrong.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_stranger_who_is_killed_leaves_nothing(strange: Place) -> None:
    talk(client(strange), b"what is made once, is made by the first")
    before = settled(strange)
    kind = strange.pair.partition("-")[0]
    with subprocess.Popen(client(strange), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.write(b"x" * 100)
        process.stdin.flush()
        what = "descriptors of bridge"
        assert eventually(lambda: strange.traces()[what] > before[what])
        for pid in pids(strange, CLIENTS[kind]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    left = {}
    assert eventually(lambda: not left.update(strange.traces()) and left == before), set(left.items()) ^ set(
        before.items()
    )
