"""The bridge's protocol: a line of JSON for each step, and what it refuses. It relays here without any namespace."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nsbridge.bridging import STEPS
from nsbridge.programs import bridge as program

NOWHERE = ["net", "127.0.0.1", "9"]


@contextmanager
def bridge(
    *, a: int | None = None, x: list[str] = NOWHERE, y: list[str] = NOWHERE
) -> Iterator[subprocess.Popen[str]]:
    pid = os.getpid()
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "nsbridge.programs.bridge"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        print(json.dumps({"a": a or pid, "b": pid, "x": x, "y": y}), file=process.stdin, flush=True)
        yield process
        process.kill()


def step(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    print(name, file=process.stdin, flush=True)
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_the_steps_are_known_on_both_sides() -> None:
    assert program.STEPS == STEPS


@pytest.mark.parametrize("name", ["fly", "", "Open", "_watch", "a", "__init__"])
def test_an_unknown_step_is_refused(name: str) -> None:
    with bridge() as process:
        answer = step(process, name)
        assert answer["step"] == name
        assert answer["error"] == f"no step {name!r}; they are: {', '.join(STEPS)}"
        assert process.wait(10) == 1


@pytest.mark.parametrize("name", ["join x", "join y", "confine", "serve"])
def test_a_step_out_of_order_is_refused(name: str) -> None:
    with bridge() as process:
        answer = step(process, name)
        assert (
            answer["error"] is None if name == "serve" else f"in their order: {', '.join(STEPS)}" in answer["error"]
        )
        assert process.wait(10) == 1


def test_a_container_that_is_gone_is_named() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    with bridge(a=gone.pid) as process:
        assert f"process {gone.pid} of container a is gone" in step(process, "open")["error"]
        assert process.wait(10) == 1


def test_an_endpoint_that_is_served_already_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, ExitStack() as stack:
        process = stack.enter_context(bridge(x=["net", "127.0.0.1", str(taken.getsockname()[1])]))
        assert step(process, "open")["error"] is None
        assert step(process, "attach")["error"]
        assert process.wait(10) == 1


@pytest.mark.parametrize("steps", [[], ["open"], ["open", "attach"]])
def test_who_is_left_alone_before_it_serves_ends(steps: list[str]) -> None:
    with bridge(x=["net", "127.0.0.1", free_port()]) as process:
        for name in steps:
            assert step(process, name) == {"step": name, "error": None}
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


def test_it_relays_to_any_server_until_a_container_ends(tmp_path: Path) -> None:
    x, y = ["net", "127.0.0.1", free_port()], ["mnt", str(tmp_path)]
    with ExitStack() as stack:
        container = stack.enter_context(subprocess.Popen(["sleep", "100"]))
        echo = stack.enter_context(subprocess.Popen([sys.executable, "-m", "nsbridge.programs.echo", *y]))
        process = stack.enter_context(bridge(a=container.pid, x=x, y=y))
        assert [step(process, name)["error"] for name in ("open", "attach", "serve")] == [None] * 3
        subprocess.run([sys.executable, "-m", "nsbridge.programs.ready", "10", *x], check=True)
        done = subprocess.run(["nc", "-N", *x[1:]], input=b"any bytes \0\xff", capture_output=True, check=True)
        assert done.stdout == b"any bytes \0\xff"
        echo.terminate()
        assert echo.wait(10) == 0
        assert subprocess.run(["nc", "-N", *x[1:]], input=b"?", capture_output=True, check=False).stdout == b""
        container.send_signal(signal.SIGKILL)
        assert process.wait(10) == 3
        assert process.stderr
        assert "container a ended" in process.stderr.read()
