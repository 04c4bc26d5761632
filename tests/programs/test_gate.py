"""Gates between programs that know nothing but TCP: nc at one end, socat at the other, a medium of ours between."""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from nsbridge.media.ipc import stream_keys
from nsbridge.media.sysv import keys_in_use

from .test_bridge import free_port


@pytest.fixture(params=["net", "ipc", "mnt"])
def middle(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """An endpoint between two gates."""
    fields = {"net": ["127.0.0.1", free_port()], "ipc": [str(os.getpid() % 65535 + 1)], "mnt": [str(tmp_path)]}
    return [request.param, *fields[request.param]]


@contextmanager
def running(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, and end it as a person would, or a supervisor."""
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def gate(*words: str) -> list[str]:
    return [sys.executable, "-m", "nsbridge.programs.gate", *words]


def ready(*words: str, what: str = "") -> None:
    subprocess.run([sys.executable, "-m", "nsbridge.programs.ready", *what.split(), "10", *words], check=True)


def left(words: list[str]) -> bool:
    """Whether anything of an endpoint is still there."""
    if words[0] == "net":
        with socket.socket() as probe:
            return probe.connect_ex((words[1], int(words[2]))) == 0
    if words[0] == "ipc":
        key = int(words[1])
        return bool({key, *stream_keys(key)} & {*keys_in_use("msg"), *keys_in_use("sem")})
    with suppress(subprocess.CalledProcessError):
        subprocess.run(["flock", "--nonblock", f"{words[1]}/lock", "true"], check=True)
        return False
    return True


def test_programs_of_tcp_talk_through_two_gates(middle: list[str]) -> None:
    front, back = (["net", "127.0.0.1", free_port()] for _ in range(2))
    data = random.Random(1).randbytes(1_000_000)
    with ExitStack() as stack:
        stack.enter_context(running("socat", f"TCP-LISTEN:{back[2]},fork,reuseaddr,bind=127.0.0.1", "EXEC:cat"))
        ready(*back)
        inner = stack.enter_context(running(*gate(*middle, *back)))
        ready(*middle)
        outer = stack.enter_context(running(*gate(*front, *middle)))
        ready(*front)
        for _ in range(2):
            done = subprocess.run(["nc", "-N", *front[1:]], input=data, capture_output=True, check=True)
            assert done.stdout == data
    assert (inner.returncode, outer.returncode) == (0, 0)
    assert not left(middle)


def test_a_gate_to_nowhere_turns_away_and_says_so(middle: list[str]) -> None:
    front = ["net", "127.0.0.1", free_port()]
    with running(*gate(*front, *middle)) as process:
        ready(*front, what="--accepts")
        assert process.stderr
        assert process.stderr.readline().startswith(b"gate: a stream was turned away: ")


@pytest.mark.parametrize("words", ["", "net 127.0.0.1", "net 127.0.0.1 1 ipc", "ipc 5566", "mnt /nonexistent ipc 1"])
def test_what_is_no_gate_is_refused(words: str) -> None:
    done = subprocess.run(gate(*words.split()), capture_output=True, check=False, timeout=10)
    assert done.returncode == 1
    assert done.stderr.startswith(b"gate: ")
    assert done.stderr.count(b"\n") == 1
