"""Real programs, which nobody here wrote, through the bridge: servers of TCP in B, clients of TCP in A."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nsbridge.containers.runtime import python_argv
from nsbridge.lab import Lab

from .conftest import NSBRIDGE, Place
from .test_examples import in_a, talk

AT_B = ["ipc-net", "mnt-net"]
AT_A = ["net-ipc", "net-mnt"]


def raw(lab: Place) -> list[str]:
    return Lab.find(lab.name).client_argv(raw=True)


@pytest.mark.parametrize("pair", AT_B)
def test_socat_serves(pair: str, make: Callable[..., Place], tools: Path) -> None:
    command = "exec socat TCP-LISTEN:9000,fork,reuseaddr EXEC:'tr a-z A-Z'"
    lab = make(pair, "--rootfs", tools, "--server", command, "--port", "9000")
    assert talk(raw(lab), b"shout\n" * 10_000) == b"SHOUT\n" * 10_000


@pytest.mark.parametrize("pair", AT_B)
def test_http_server_serves(pair: str, make: Callable[..., Place], tools: Path) -> None:
    page = tools / "page"
    page.write_bytes(os.urandom(2_000_000))
    page.chmod(0o644)
    server = " ".join(["exec", *python_argv("http.server", "8000")])
    lab = make(pair, "--rootfs", tools, "--server", server, "--port", "8000")
    for _ in range(3):
        answer = talk(raw(lab), b"GET /page HTTP/1.0\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200")
        assert body == page.read_bytes()


@pytest.mark.parametrize("pair", AT_B)
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server is installed, and CI needs none")
def test_redis_serves(pair: str, make: Callable[..., Place], tools: Path) -> None:
    lab = make(
        pair, "--rootfs", tools, "--server", "exec redis-server --protected-mode no --save ''", "--port", "6379"
    )
    sets = b"".join(b"SET key%d %d\r\n" % (number, number) for number in range(10_000))
    gets = b"".join(b"GET key%d\r\n" % number for number in range(10_000))
    answers = talk(raw(lab), sets + gets + b"QUIT\r\n").split(b"\r\n")
    assert answers[:10_000] == [b"+OK"] * 10_000
    assert answers[10_001:30_000:2] == [b"%d" % number for number in range(10_000)]


@pytest.mark.parametrize("pair", AT_A)
def test_clients_of_tcp(pair: str, make: Callable[..., Place], tools: Path) -> None:
    lab = make(pair, "--rootfs", tools)
    data = os.urandom(200_000)
    assert talk(in_a(lab, "/bin/nc", "-N", "10.77.1.1", "7"), data) == data
    assert talk(in_a(lab, "/bin/socat", "-t30", "-", "TCP:10.77.1.1:7"), data) == data
    sent = talk(in_a(lab, "/bin/curl", "-sm", "1", "--http0.9", "-d", "a=b", "http://10.77.1.1:7/path"), b"", 28)
    assert sent.startswith(b"POST /path HTTP/1.1\r\n")
    assert sent.endswith(b"\r\n\r\na=b")


def test_a_server_that_does_not_listen_is_told_of(home: Path) -> None:
    words = ["up", "--pair", "ipc-net", "--name", f"w{os.getpid()}-deaf", "--server", "exec sleep 1000"]
    done = subprocess.run([NSBRIDGE, *words], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"the server in B does not accept a stream" in done.stderr
