"""A short fault run on every pair; the long one is `python -m nsbridge.study.faults --faults 100`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from nsbridge.lab import Lab
from nsbridge.pairs import PAIRS, parse
from nsbridge.study.faults import dealt, run
from nsbridge.study.harms import Scene, harms

from .host import User

FAULTS = int(os.environ.get("NSBRIDGE_FAULTS", "3"))
WHOLE = "ipc-mnt"  # every kind of fault means something there
OVERFLOW = r"\xff\xff\xff\xff\x00\x40\x00\x00"  # watch descriptor -1, IN_Q_OVERFLOW


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("pair", PAIRS)
def test_no_fault_loses_doubles_or_misplaces_a_line(pair: str) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    kinds = harms(*parse(pair))
    count = max(FAULTS, len(kinds)) if pair == WHOLE else FAULTS
    verdict = run(pair, count, seed, clients=2)
    print(verdict)
    assert verdict.good, verdict
    assert verdict.echoed == verdict.sent == len(verdict.echoes) > 0
    done = Counter(fault.what for fault in verdict.faults)
    assert done.total() == count
    assert max(done.values()) - min(done[kind] for kind in kinds) <= 1
    assert [row[:2] for row in verdict.kinds().rows] == [[kind, str(done[kind])] for kind in sorted(done)]


def test_the_same_seed_deals_the_same_faults_and_each_as_often_as_the_others() -> None:
    one, other, third = (dealt("abcde", 12, random.Random(seed)) for seed in (7, 7, 8))
    assert one == other != third
    assert Counter(Counter(one).values()) == {2: 3, 3: 2}


@pytest.mark.usefixtures("root")
def test_an_overflow_of_inotifys_queue_really_reaches_the_bridge(tmp_path: Path) -> None:
    with Lab("mnt-net", "overflow").up().supervise() as lab:
        client = subprocess.Popen(lab.client_argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"before\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"before\n"
        argv = ["strace", "-f", "-xx", "-s", "16384", "-e", "trace=read", "-o", str(tmp_path / "reads")]
        tracer = subprocess.Popen([*argv, "-p", str(lab.pids()["bridge"])], stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        harms("mnt", "net")["an inotify overflow"](Scene(lab, [], random.Random(0)))
        assert client.communicate(b"after\n", timeout=20)[0] == b"after\n"
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=20)
    assert OVERFLOW in (tmp_path / "reads").read_text()


def test_an_ordinary_user_may_let_faults_happen_as_well(student: User) -> None:
    argv = [sys.executable, "-m", "nsbridge.study.faults", "--pair", "net-mnt", "--faults", "2", "--clients", "1"]
    done = student.run(*argv, "--seed", "3", "--name", "e2e-faults", "--list")
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("net-mnt: seed 3, faults 2, sent ")
    assert "lost 0, duplicated 0, reordered 0" in lines[0]
    assert lines[1].split() == ["fault", "times", "p50", "s", "p95", "s", "slowest", "s"]
