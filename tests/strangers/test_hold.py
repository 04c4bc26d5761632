"""What every pair holds: sizes, length in bounded memory, many streams, every message accounted for.

The lengths are such as fit a test run; NSBRIDGE_FULL=1 takes those that were promised:
`NSBRIDGE_FULL=1 .venv/bin/python -m pytest tests/strangers/test_hold.py -s`
"""

import json
import subprocess
import threading

import pytest

from .place import FULL, Place, eventually, settled

MIB = 1 << 20
SIZES = (0, 1, 127, 128, 129, 2047, 2048, 2049, 8191, 8192, 8193, 16384, 16385, 65536, MIB, (64 if FULL else 4) * MIB)
LENGTH = (1024 if FULL else 32) * MIB
AT_ONCE, IN_TURN = (1000, 10000) if FULL else (100, 100)
MESSAGES = 100_000 if FULL else 3_000
MEMORY, DISK = 64 * MIB, 64 * MIB


@pytest.mark.parametrize("sizes", [SIZES], ids=["all"])
def test_every_size_comes_back_whole(lab: Place, sizes: tuple[int, ...]) -> None:
    for size in sizes if FULL else sizes[::5]:
        found = json.loads(lab.run("transfer", size))
        assert found["sent"] == found["returned"], f"{size} bytes"
    print(f"\n{lab.pair}: {len(sizes)} sizes up to {max(sizes)} bytes came back whole")


@pytest.mark.timeout(1200)
def test_a_long_stream_takes_bounded_memory_and_disk(lab: Place) -> None:
    most, over = 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(0.02):
            most = max(most, lab.disk())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        found = json.loads(lab.run("transfer", LENGTH))
    finally:
        over.set()
        watcher.join()
    assert found["sent"] == found["returned"]
    memory = lab.memory(lab.bridge)
    speed, length = LENGTH / MIB / found["seconds"], LENGTH // MIB
    print(f"\n{lab.pair}: {length} MiB, {speed:.0f} MiB/s, memory {memory / MIB:.1f} MiB, disk {most // 1024} KiB")
    assert memory <= MEMORY
    assert most <= DISK


@pytest.mark.timeout(1200)
def test_many_streams_leave_nothing_behind(lab: Place) -> None:
    lab.run("transfer", 1)
    before = settled(lab)
    process = subprocess.Popen(
        lab.argv("many", AT_ONCE, IN_TURN), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == f"{AT_ONCE} streams are open\n", lab.log()
        during = lab.traces()
        memory = lab.memory(lab.bridge) / MIB
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n", lab.log()
    assert eventually(lambda: lab.traces() == before), (before, lab.traces())
    threads, descriptors = during["threads of bridge"], during["descriptors of bridge"]
    print(
        f"\n{lab.pair}: {AT_ONCE} at once: {threads} threads, {descriptors} descriptors, {memory:.0f} MiB in the"
        f" bridge; {IN_TURN} in turn; then all as before"
    )


@pytest.mark.timeout(1200)
def test_every_message_is_accounted_for(lab: Place) -> None:
    printed = lab.run("soak", 16, MESSAGES)
    print(f"\n{lab.pair}: {printed.strip()}")
    assert printed.splitlines()[-1] == "lost 0 duplicated 0 reordered 0 corrupt 0"
