"""A lab that is up, and what the kernel tells of it; makes none."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsbridge.lab import Lab

FULL = bool(os.environ.get("NSBRIDGE_FULL"))  # the lengths that were promised; else such as fit a test run
NSBRIDGE = Path(sys.executable).with_name("nsbridge")


@dataclass(frozen=True)
class Place:
    """A lab that is up."""

    name: str
    pair: str
    status: dict[str, Any]

    @property
    def bridge(self) -> int:
        """The bridge's pid."""
        return int(self.status["bridge"]["pid"])

    def pid(self, side: str) -> int:
        """The pid of container `a` or `b`."""
        return int(self.status[side]["pid"])

    def argv(self, program: str, *words: str | int) -> list[str]:
        """The command that runs one of nsbridge's programs in A, at A's endpoint."""
        endpoint = map(str, self.status["a"]["endpoint"].values())
        return Lab.find(self.name).run_argv(program, *map(str, words), *endpoint)

    def run(self, program: str, *words: str | int, timeout: float = 900) -> str:
        """Run it to its end, and return what it printed."""
        done = subprocess.run(
            self.argv(program, *words),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        return done.stdout

    def log(self) -> str:
        """What the bridge logged."""
        return (Path(os.environ["NSBRIDGE_HOME"]) / "labs" / self.name / "bridge.log").read_text()

    def traces(self) -> dict[str, int]:
        """Count what streams may leave behind."""
        counts: dict[str, int] = {}
        for part, pid in (("bridge", self.bridge), ("b", self.pid("b"))):
            counts[f"descriptors of {part}"] = len(os.listdir(f"/proc/{pid}/fd"))
            counts[f"threads of {part}"] = len(os.listdir(f"/proc/{pid}/task"))
        for side in ("a", "b"):
            counts[f"queues in {side}"] = len(self.within(side, "ipc", "cat", "/proc/sysvipc/msg").splitlines()) - 1
            place = Path(f"/proc/{self.pid(side)}/root/run/nsbridge")
            counts[f"files in {side}"] = sum(1 for _ in place.rglob("*"))
        return counts

    def within(self, side: str, kind: str, *words: str) -> str:
        """Return what one of the host's commands says inside a namespace of a container (nsenter(1))."""
        return subprocess.run(
            ["nsenter", "--target", str(self.pid(side)), f"--{kind}", *words],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def memory(self, part: int) -> int:
        """The most bytes that a process has had resident."""
        (line,) = (line for line in Path(f"/proc/{part}/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    def disk(self) -> int:
        """The bytes in the folders of MNT."""
        taken = 0
        for side in ("a", "b"):
            space = os.statvfs(f"/proc/{self.pid(side)}/root/run/nsbridge")
            taken += (space.f_blocks - space.f_bfree) * space.f_frsize
        return taken


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Return whether the condition came to hold in time."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


def settled(lab: Place) -> dict[str, int]:
    """Return the traces once they stay the same for half a second."""
    seen = [lab.traces()]

    def same() -> bool:
        time.sleep(0.5)
        seen.append(lab.traces())
        return seen[-1] == seen[-2]

    assert eventually(same), seen[-2:]
    return seen[-1]
