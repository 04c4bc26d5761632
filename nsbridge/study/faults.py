"""A fault run: clients talk through a lab while its parts are killed, stopped and starved; then a verdict.

`python -m nsbridge.study.faults --pair x-y --faults 100 --seed 1`. The same seed gives the same faults in the same
order. Every line that a client sends has a number, so that a lost, doubled or misplaced one is seen.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from nsbridge import privilege
from nsbridge.containers.runtime import BUSYBOX
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab
from nsbridge.pairs import PAIRS
from nsbridge.study.talker import Talker

RECOVERY = 15.0  # seconds after which a lab that has not come back is given up
_PAUSE = 0.05  # seconds for which a process is stopped, or a disk is full
_STEP = 0.002  # seconds between two looks for an echo


# Does it, and returns when it was over, in time.monotonic(): what lasts is recovered from only then.
Fault = Callable[[Lab], float]


@dataclass
class Verdict:
    """What came of a fault run."""

    pair: str
    seed: int
    faults: list[tuple[float, str]] = field(default_factory=list)
    """When, in seconds since the start, and what."""
    recovery: list[float] = field(default_factory=list)
    """Seconds from each fault, or the end of one that lasts, to the next echo."""
    sent: int = 0
    echoed: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled or misplaced."""
        return not (self.lost or self.duplicated or self.reordered)

    def __str__(self) -> str:
        """Return it as one line."""
        p50, p95 = np.percentile(self.recovery, [50, 95]) if self.recovery else (0.0, 0.0)
        return (
            f"{self.pair}: seed {self.seed}, faults {len(self.faults)}, sent {self.sent}, echoed {self.echoed}, "
            f"lost {self.lost}, duplicated {self.duplicated}, reordered {self.reordered}, "
            f"recovery p50 {p50:.3f} s, p95 {p95:.3f} s"
        )


def _kill(part: str) -> Fault:
    def kill(lab: Lab) -> float:
        os.kill(lab.pids()[part], signal.SIGKILL)
        return time.monotonic()

    return kill


def _end_container(side: str) -> Fault:
    def end(lab: Lab) -> float:
        os.kill(lab.pids()[side], signal.SIGKILL)
        over = time.monotonic()
        lab.restart(side)
        return over

    return end


def _stop(part: str) -> Fault:
    def stop(lab: Lab) -> float:
        pid = lab.pids()[part]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(_PAUSE)
        os.kill(pid, signal.SIGCONT)
        return time.monotonic()

    return stop


def _kill_supervisor(lab: Lab) -> float:
    os.kill(lab.status()["supervisor"]["pid"], signal.SIGKILL)
    Lab.find(lab.name).supervise()  # as the next command would
    return time.monotonic()


def _fill_disk(lab: Lab) -> float:
    side = lab.a if lab.x == "mnt" else lab.b
    script = f"{BUSYBOX} dd if=/dev/zero of=/run/nsbridge/filler bs=64k 2>/dev/null; {BUSYBOX} sleep {_PAUSE}"
    argv = side.exec_argv([BUSYBOX, "sh", "-c", f"{script}; {BUSYBOX} rm /run/nsbridge/filler"])
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return time.monotonic()


def _kill_client(talkers: Sequence[Talker], chance: random.Random) -> float:
    chance.choice(talkers).kill()
    return time.monotonic()


FAULTS: dict[str, Fault] = {
    "SIGKILL of the bridge": _kill("bridge"),
    "SIGKILL of A's init": _end_container("a"),
    "SIGKILL of B's init, the server": _end_container("b"),
    "SIGKILL of the supervisor": _kill_supervisor,
    "SIGSTOP and SIGCONT of the bridge": _stop("bridge"),
    "SIGSTOP and SIGCONT of the server": _stop("b"),
}
_WITH_FILES = {"a full disk": _fill_disk}


def run(pair: str, faults: int, seed: int, clients: int = 4) -> Verdict:
    """Let `clients` talk through a lab of `pair` while `faults` faults happen; return the verdict.

    Raises:
        NsbridgeError: the lab did not come back after a fault.
    """
    chance = random.Random(seed)  # noqa: S311 — to be repeated
    verdict = Verdict(pair, seed)
    choice = FAULTS | (_WITH_FILES if "mnt" in pair else {})
    with Lab(pair, f"faults-{pair}").up() as lab:
        talkers = [Talker(lab.client_argv, number) for number in range(clients)]
        start = time.monotonic()
        try:
            for _ in tqdm(range(faults), desc=pair, disable=not sys.stderr.isatty()):
                name = chance.choice([*choice, "SIGKILL of a client"])
                _await_echoes(talkers, name)
                time.sleep(chance.uniform(0, 0.05))
                verdict.faults.append((time.monotonic() - start, name))
                fault = choice.get(name)
                over = fault(Lab.find(lab.name)) if fault else _kill_client(talkers, chance)
                _await_echoes(talkers, name)
                verdict.recovery.append(time.monotonic() - over)
        finally:
            for talker in talkers:
                talker.end(RECOVERY)
        for talker in talkers:
            verdict.sent += talker.sent
            verdict.echoed += talker.echoed
            verdict.lost += talker.sent - talker.echoed
            verdict.duplicated += talker.duplicated
            verdict.reordered += talker.reordered
    return verdict


def _await_echoes(talkers: Sequence[Talker], fault: str) -> None:
    """Wait until each talker has had an echo of a line that it sent from now on."""
    marks = [talker.sent for talker in talkers]
    deadline = time.monotonic() + RECOVERY
    while any(talker.echoed <= mark for talker, mark in zip(talkers, marks, strict=True)):
        if time.monotonic() > deadline:
            raise NsbridgeError(f"no echo for {RECOVERY:.0f} s after {fault}; look into the lab's bridge.log")
        time.sleep(_STEP)


def main() -> int:
    """Run and print a verdict for each pair; exit with 1 if one is bad."""
    parser = argparse.ArgumentParser(prog="python -m nsbridge.study.faults", description=__doc__)
    parser.add_argument("--pair", nargs="+", default=list(PAIRS), choices=PAIRS)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    privilege.enter(None)
    good = True
    try:
        for pair in args.pair:
            verdict = run(pair, args.faults, args.seed, args.clients)
            print(verdict, flush=True)
            good &= verdict.good
    except NsbridgeError as error:
        print(f"faults: {error} (seed {args.seed})", file=sys.stderr)
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
