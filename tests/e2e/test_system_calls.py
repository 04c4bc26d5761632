"""What the bridge asks of the kernel for one message: counted by strace, which is exact on the noisiest machine."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from nsbridge.containers.roles import A
from nsbridge.endpoints import endpoint
from nsbridge.lab import Lab
from nsbridge.pairs import PAIRS

MESSAGES, WARM_UP = 1000, 200
CHUNKS = 300

# To take a message and to put it, by kind. MNT takes an event before it takes the bytes.
TAKE = {"net": {"recvfrom": 1}, "ipc": {"msgrcv": 1}, "mnt": {"read": 2}}
PUT = {"net": {"sendto": 1}, "ipc": {"msgsnd": 1}, "mnt": {"write": 1}}
SPARE = 0.2  # calls a round trip, for opening and closing

# The same for a segment of 64 KiB at once, but for waiting: an event may tell of several, and room may lack. One more
# read finds that nothing came before the next segment.
TAKE_MUCH = {"read": 3, "openat": 1, "lseek": 1, "close": 1, "unlinkat": 1}
PUT_MUCH = {"pwrite64": 1, "linkat": 1}
WAITING = 4  # calls a chunk there and back
HOPS = 2  # times that the bridge is woken in a round trip: once a direction


def counted(lab: Lab, file: Path, *words: str | int) -> Counter[str]:
    """Return the system calls of the bridge while one of the programs runs in A."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-c", "-U", "calls,name", "-o", file, "-p", str(lab.pids()["bridge"])],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    assert "attached" in tracer.stderr.readline()
    program = lab.run_argv(*map(str, words), *endpoint(lab.x, A))
    subprocess.run(program, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=20)
    rows = re.findall(r"^\s*(\d+) (\w+)$", file.read_text(), re.MULTILINE)
    # strace makes every call slow, so that threads meet at the interpreter's lock who never would: see the wake-ups
    return Counter({name: int(calls) for calls, name in rows if name not in ("total", "futex")})


def wake_ups(lab: Lab) -> float:
    """Return how often the bridge's threads waited while MESSAGES went to and fro, by the kernel's own count."""
    before = most = waits(lab.pids()["bridge"])
    ping = lab.run_argv("ping", "64", str(MESSAGES), *endpoint(lab.x, A))
    with subprocess.Popen(ping, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:  # a thread's count goes with the thread, at the end of the stream
            most = max(most, waits(lab.pids()["bridge"]))
            time.sleep(0.001)
    assert process.returncode == 0
    return (most - before) / (MESSAGES + WARM_UP)


def waits(pid: int) -> int:
    """Return the voluntary context switches of all threads of a process (proc(5))."""
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            count += int(
                re.findall(r"^voluntary_ctxt_switches:\s(\d+)", (task / "status").read_text(), re.MULTILINE)[0]
            )
    return count


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.usefixtures("root")
def test_a_message_costs_the_bridge_what_its_two_media_must_have(pair: str, tmp_path: Path) -> None:
    x, y = pair.split("-")
    needed = Counter[str]()
    for side in (TAKE[x], PUT[y], TAKE[y], PUT[x]):
        needed.update(side)
    with Lab(pair, f"calls-{pair}").up() as lab:
        calls = counted(lab, tmp_path / "calls", "ping", 64, MESSAGES)
        woken = wake_ups(lab)
    trips = MESSAGES + WARM_UP
    for name, times in needed.items():
        assert times <= calls[name] / trips <= times + 0.1, (name, calls)
    assert calls.total() / trips <= needed.total() + SPARE, calls
    assert HOPS - 0.5 <= woken <= HOPS + 1  # a wake-up more in each hop would make it 4


@pytest.mark.parametrize("pair", ["ipc-mnt", "mnt-ipc"])
@pytest.mark.usefixtures("root")
def test_a_long_stream_of_files_begins_and_removes_a_segment_for_few_calls(pair: str, tmp_path: Path) -> None:
    needed = Counter({"msgrcv": 1, "msgsnd": 1}) + Counter(TAKE_MUCH) + Counter(PUT_MUCH)
    with Lab(pair, f"much-{pair}").up() as lab:
        calls = counted(lab, tmp_path / "calls", "flood", 65536, CHUNKS)
    for name, times in needed.items():
        assert calls[name] / CHUNKS <= times + 0.2, (name, calls)
    assert calls["write"] + calls["ftruncate"] <= 0.1 * CHUNKS, calls  # all of it goes into files that are there
    assert calls.total() / CHUNKS <= needed.total() + WAITING, calls
