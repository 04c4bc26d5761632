"""Real programs, which nobody here wrote, at both ends of every pair; a gate stands where a side is not NET."""

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from nsbridge.containers.runtime import python_argv
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab

from .stage import Stage

GIT = "/bin/git"
DAEMON = ("/usr/lib/git-core/git-daemon", "--reuseaddr", "--export-all", "--port=7", "--base-path=/tmp")
AUTHOR = "nobody here <nobody@example.org> 1700000000 +0000"


@pytest.fixture(scope="module")
def way(stage: Stage) -> Iterator[tuple[str, int]]:
    """Where a client of TCP in A finds the server at port 7 of B."""
    here, there = stage.words("a"), stage.words("b")
    with ExitStack() as gates:
        if there[0] != "net":
            gates.enter_context(stage.gate("b", *there, "net", "127.0.0.1", "7"))
        if here[0] != "net":
            here = ["net", "127.0.0.1", "8080", *here]
            gates.enter_context(stage.gate("a", *here))
        yield here[1], int(here[2])


def commits(count: int, dice: random.Random, parent: str = "") -> bytes:
    """Return commits as `git fast-import` reads them, each with some files."""
    stream = []
    for number in range(count):
        stream.append(f"commit refs/heads/main\ncommitter {AUTHOR}\ndata 3\nwhy\n{parent}".encode())
        for _ in range(3):
            content = dice.randbytes(dice.choice((10, 5000)))
            stream.append(b"M 644 inline %d/%d\ndata %d\n%s\n" % (number, dice.randrange(99), len(content), content))
        parent = ""
    return b"".join(stream)


def test_curl_fetches_pages_from_pythons_http_server(stage: Stage, way: tuple[str, int]) -> None:
    page = random.Random(stage.lab.pair).randbytes(2_000_000)
    (stage.root("b") / "tmp/page").write_bytes(page)
    with stage.serving(*python_argv("http.server", "7", "--directory", "/tmp")):  # noqa: S108 — of a container
        copies = [f"/tmp/page{number}" for number in range(4)]  # noqa: S108
        url = "http://{}:{}/page".format(*way)
        stage.run("a", "/bin/curl", "-sfZ", *(word for copy in copies for word in (url, "-o", copy)))
        for copy in copies:
            assert (stage.root("a") / copy.lstrip("/")).read_bytes() == page


def test_git_clones_and_fetches_from_its_daemon(stage: Stage, way: tuple[str, int]) -> None:
    dice = random.Random(stage.lab.pair)
    served, clone = (GIT, "-C", "/tmp/served"), (GIT, "-C", "/tmp/clone")  # noqa: S108
    stage.run("b", GIT, "init", "-q", "--bare", "-b", "main", served[2])
    stage.run("b", *served, "fast-import", "--quiet", stdin=commits(100, dice))
    with stage.serving(*DAEMON):
        stage.run("a", GIT, "clone", "-q", "git://{}:{}/served".format(*way), clone[2])
        stage.run("b", *served, "fast-import", "--quiet", stdin=commits(5, dice, "from refs/heads/main^0\n"))
        stage.run("a", *clone, "pull", "-q")
    stage.run("a", *clone, "fsck", "--full", "--strict")
    heads = stage.run("a", *clone, "log", "--format=%H %T"), stage.run("b", *served, "log", "--format=%H %T", "main")
    assert heads[0] == heads[1]
    assert heads[0].count(b"\n") == 105


def test_redis_benchmark_talks_to_redis(stage: Stage, way: tuple[str, int]) -> None:
    words = ["--port", "7", "--protected-mode", "no", "--save", "", "--dir", "/tmp"]  # noqa: S108
    with stage.serving("/bin/redis-server", *words):
        words = [
            "-h",
            way[0],
            "-p",
            str(way[1]),
            "-c",
            "16",
            "-n",
            "1000",
            "-d",
            "1000",
            "-t",
            "set,get",
            "--csv",
            "-e",
        ]
        table = stage.run("a", "/bin/redis-benchmark", *words).decode()
        assert [line.split(",")[0] for line in table.splitlines()[1:]] == ['"SET"', '"GET"']
        info = stage.run("b", "/bin/redis-cli", "-p", "7", "info", "all").decode()
        assert "cmdstat_set:calls=1000," in info
        assert "cmdstat_get:calls=1000," in info
        assert "total_error_replies:0" in info


def test_nc_sends_a_file_to_nc_either_way(stage: Stage, way: tuple[str, int]) -> None:
    file, client = os.urandom(300_000), ("/bin/nc", way[0], str(way[1]))
    with stage.serving("/bin/nc", "-d", "-l", "7") as server, ThreadPoolExecutor() as pool:
        kept = pool.submit(server.communicate)
        stage.run("a", *client, "-N", stdin=file)
        assert kept.result()[0] == file
    with stage.serving("/bin/nc", "-N", "-l", "7") as server, ThreadPoolExecutor() as pool:
        pool.submit(server.communicate, file)
        assert stage.run("a", *client, "-d") == file


def test_socat_talks_to_socat(stage: Stage, way: tuple[str, int]) -> None:
    with stage.serving("/bin/socat", "TCP-LISTEN:7,fork,reuseaddr", "EXEC:tr a-z A-Z"):
        argv = ["/bin/socat", "-t30", "-", f"TCP:{way[0]}:{way[1]}"]
        assert stage.run("a", *argv, stdin=b"shout\n" * 10_000) == b"SHOUT\n" * 10_000


def test_a_server_that_does_not_listen_is_told_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nsbridge.lab._PATIENCE", 1.0)
    lab = Lab("ipc-net", f"w{os.getpid()}-deaf")
    with pytest.raises(NsbridgeError, match="the server in B does not accept a stream"):
        lab.up(server="exec sleep 1000")
    assert not lab.folder.exists()
