"""A few cycles of up, talk, kill and down, and a short soak; the long ones are commands of `nsbridge.study`."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from nsbridge.study import soak
from nsbridge.study.cycles import Ledger
from nsbridge.study.traces import traces

from .host import User

CYCLES = int(os.environ.get("NSBRIDGE_CYCLES", "3"))
MINUTES = float(os.environ.get("NSBRIDGE_SOAK", "0.12"))


@pytest.mark.usefixtures("nothing_left")
def test_after_some_cycles_all_is_as_before(user: User) -> None:
    seed = str(random.SystemRandom().randrange(1 << 32))
    argv = [sys.executable, "-m", "nsbridge.study.cycles", "--cycles", str(CYCLES), "--seed", seed]
    done = user.run(*argv, "--name", "e2e-cycles")
    print(done.stdout.decode(), done.stderr.decode())
    assert done.returncode == 0
    assert f"{CYCLES} cycles, seed {seed}, killed ".encode() in done.stdout
    assert b"containers 0, queues 0, semaphores 0, mounts 0, cgroup folders 0, namespaces 0, " in done.stdout
    assert b"before:" in done.stdout
    assert b"(before" not in done.stdout


def test_what_is_left_is_named() -> None:
    ledger = Ledger(1, 2, {"mounts": 0, "files": 7}, {"mounts": 1, "files": 7}, Counter(a=1))
    assert not ledger.good
    assert str(ledger).endswith("mounts 1 (before 0), files 7")


@pytest.mark.usefixtures("root")
def test_what_is_there_is_counted(tmp_path: Path) -> None:
    place = tmp_path / "labs" / "counted" / "root"
    place.mkdir(parents=True)
    before = traces(tmp_path, tmp_path / "runc", "counted")
    with (place / "file").open("w"):
        (tmp_path / "runc" / "counted-a").mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
        try:
            with subprocess.Popen(["unshare", "--uts", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
                assert cat.stdin is not None
                during = traces(tmp_path, tmp_path / "runc", "counted")
        finally:
            subprocess.run(["umount", str(place)], check=True)
    assert {what: during[what] - before[what] for what in before if during[what] != before[what]} == {
        "containers": 1, "mounts": 1, "descriptors": 3, "files": 2,
    }  # fmt: skip


@pytest.mark.usefixtures("root")
def test_a_soak_leaves_memory_and_descriptors_flat() -> None:
    record = soak.run("mnt-ipc", MINUTES, clients=2, name="soaked")
    print(soak.verdict(record))
    assert soak.flat(record)
    assert record["account"]["messages"] > 1000
    assert len(record["samples"]) > 10


def soaked(growth: int = 0, left: int = 0, lost: int = 0) -> soak.Record:
    """Make up a record in which memory grows with each sample, descriptors stay open, messages are lost."""
    held = {"rss": 20 << 20, "descriptors": 9, "threads": 2}
    return {
        "pair": "net-ipc", "minutes": 1, "clients": 1, "account": {"messages": 9, "lost": lost},
        "samples": [
            {"seconds": second, **{part: {**held, "rss": held["rss"] + second * growth} for part in soak.PARTS}}
            for second in range(60)
        ],
        "idle": [{part: {**held, "descriptors": held["descriptors"] + more} for part in ("bridge", "server")}
                 for more in (0, left)],
    }  # fmt: skip


def test_what_grows_is_not_flat() -> None:
    assert soak.flat(soaked())
    for grown in (soaked(growth=100 << 10), soaked(left=1), soaked(lost=1)):
        assert not soak.flat(grown)
        assert soak.verdict(grown).endswith("NOT flat")
