"""The benchmark: its C programs against the wire forms, its records against its own samples, its namespaces."""

from __future__ import annotations

import csv
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from nsbridge.errors import StreamError
from nsbridge.media.base import Medium
from nsbridge.media.table import medium
from nsbridge.programs.transfer import transfer

STUDY = Path(__file__).parents[1] / "nsbridge" / "study"
NSBRIDGE = Path(sys.executable).with_name("nsbridge")
KINDS = ("net", "ipc", "mnt")

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("programs")
    flags = ["-Wall", "-Wextra", "-Werror", "-O2", "-static", "-pthread"]
    for name in ("ends", "floor"):
        subprocess.run(["gcc", *flags, "-o", place / name, STUDY / f"{name}.c"], check=True)
    return {name: place / name for name in ("ends", "floor")}


@pytest.fixture(params=KINDS)
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """An endpoint of this host in words, as clients have it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = {
        "net": ["net", "127.0.0.1", port],
        "ipc": ["ipc", str(1 + os.getpid() % 65535)],
        "mnt": ["mnt", str(tmp_path)],
    }
    return words[request.param]


@contextmanager
def served(argv: list[str], endpoint: Medium) -> Iterator[None]:
    with subprocess.Popen(argv) as process:
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with suppress(StreamError), endpoint.connect():
                    break
                time.sleep(0.01)
            yield
        finally:
            process.terminate()


def test_a_client_in_c_talks_to_our_server(programs: dict[str, Path], endpoint: list[str]) -> None:
    with medium(*endpoint) as here, served([sys.executable, "-m", "nsbridge.programs.echo", *endpoint], here):
        for what, size, count in (("ping", "64", "50"), ("flood", "100000", "40")):
            done = subprocess.run([programs["ends"], what, *endpoint, size, count], capture_output=True, check=True)
            found = json.loads(done.stdout)
            assert found["size"] == int(size)
            assert found["seconds"] > 0 if what == "flood" else len(found["rtt_us"]) == int(count)


def test_our_client_talks_to_a_server_in_c(programs: dict[str, Path], endpoint: list[str]) -> None:
    words = [endpoint[0], endpoint[-1]]
    with medium(*endpoint) as here, served([str(programs["ends"]), "serve", *words], here):
        for _ in range(3):
            with here.connect() as stream:
                sent, returned = transfer(stream, 400_000)
                assert sent == returned
    if endpoint[0] == "ipc":  # it is killed, and leaves its queues
        with medium(*endpoint) as here, here.listen():
            pass


def test_a_bench_keeps_every_sample_and_its_records_are_theirs() -> None:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "figures.json")
        words = ["bench", "--pair", "mnt-net", "--rounds", "2", "--json", str(file)]
        done = subprocess.run([NSBRIDGE, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        records = json.loads(file.read_text())
        with file.with_suffix(".csv").open() as lines:
            samples = list(csv.DictReader(lines))
    asked = {"pair": "mnt-net", "what": "rtt", "size": "64", "baseline": "", "ends": ""}
    values = [float(row["value"]) for row in samples if all(row[key] == value for key, value in asked.items())]
    (ours,) = (each for each in records if each["what"] == "rtt" and each["size"] == 64 and "ends" not in each
               and each["baseline"] is None)  # fmt: skip
    assert ours["p50_us"] == pytest.approx(statistics.median(values), abs=0.1)
    assert ours["max_us"] == pytest.approx(max(values), abs=0.1)
    assert ours["count"] == len(values)
    seen = {(each["what"], each["baseline"], each.get("via"), each.get("ends")) for each in records}
    assert {("rtt", "c", None, "c"), ("rtt", "socat", "tcp-unix", "c"), ("rtt", "socat", "tcp-tcp", "c")} <= seen
    assert {("rtt", "direct", "mnt", None), ("rtt", "direct", "net", None), ("throughput", None, None, "c")} <= seen
    for each in records:
        spaces = each["environment"]["namespaces"]
        assert spaces["a"]["mnt"] == spaces["bridge"]["mnt"] != spaces["b"]["mnt"]
        assert spaces["b"]["net"] == spaces["bridge"]["net"] != spaces["a"]["net"]
    assert all(word in done.stdout for word in ("p50 µs", "of c", "busy", "memory", "cold start"))


def test_no_rounds_are_refused() -> None:
    done = subprocess.run([NSBRIDGE, "bench", "--rounds", "0"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "give 1 or more" in done.stderr
