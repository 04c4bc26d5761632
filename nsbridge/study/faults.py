"""A fault run: clients talk through a lab while its parts are killed, stopped and starved; then a verdict.

`python -m nsbridge.study.faults --pair x-y --faults 100 --seed 1`. The same seed gives the same faults in the same
order. Every line that a client sends has a number, so that a lost, doubled or misplaced one is seen.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from tqdm import tqdm

from nsbridge import privilege
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab
from nsbridge.pairs import PAIRS
from nsbridge.study.harms import Scene, harms
from nsbridge.study.talker import Talker
from nsbridge.tables import Table

RECOVERY = 15.0  # seconds after which a lab that has not come back is given up
_STEP = 0.002  # seconds between two looks for an echo


@dataclass(frozen=True)
class Fault:
    """One thing that was done."""

    what: str
    begin: float
    """Seconds since the start of the run."""
    end: float
    """The same, of the moment when it was over."""
    recovered: float
    """The same, of the moment when each client had had an echo of what it sent from then on."""

    @property
    def recovery(self) -> float:
        """Seconds from the end of the fault to the next echoes."""
        return self.recovered - self.end


@dataclass
class Verdict:
    """What came of a fault run."""

    pair: str
    seed: int
    faults: list[Fault] = field(default_factory=list)
    sent: int = 0
    echoed: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    echoes: list[float] = field(default_factory=list)
    """When each echo came, in seconds since the start of the run, in order."""
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled or misplaced."""
        return not (self.lost or self.duplicated or self.reordered)

    def __str__(self) -> str:
        """Return it as one line."""
        p50, p95 = _percentiles(self.faults)
        return (
            f"{self.pair}: seed {self.seed}, faults {len(self.faults)}, sent {self.sent}, echoed {self.echoed}, "
            f"lost {self.lost}, duplicated {self.duplicated}, reordered {self.reordered}, "
            f"recovery p50 {p50:.3f} s, p95 {p95:.3f} s"
        )

    def kinds(self) -> Table:
        """Lay out how often each kind of fault was done, and the seconds that recovery took."""
        rows = []
        for what in sorted({fault.what for fault in self.faults}):
            done = [fault for fault in self.faults if fault.what == what]
            p50, p95 = _percentiles(done)
            rows.append([what, str(len(done)), f"{p50:.3f}", f"{p95:.3f}", f"{max(f.recovery for f in done):.3f}"])
        return Table(["fault", "times", "p50 s", "p95 s", "slowest s"], rows)


def run(pair: str, faults: int, seed: int, clients: int = 4, name: str = "faults") -> Verdict:
    """Let `clients` talk through a new lab while `faults` faults happen; return the verdict.

    Args:
        pair: such as `net-ipc`.
        faults: how many; each kind comes as often as each other, but for one.
        seed: the same gives the same faults in the same order.
        clients: how many talk.
        name: what the lab's name begins with.

    Raises:
        NsbridgeError: the lab did not come back after a fault, or one could not be done.
    """
    chance = random.Random(seed)  # noqa: S311 — to be repeated
    verdict = Verdict(pair, seed)
    with Lab(pair, f"{name}-{pair}").up().supervise() as lab:
        choice = harms(lab.x, lab.y)
        talkers = [Talker(lab.client_argv, number) for number in range(clients)]
        start = time.monotonic()
        try:
            for what in tqdm(dealt([*choice], faults, chance), desc=pair, disable=not sys.stderr.isatty()):
                _await_echoes(talkers, what)
                time.sleep(chance.uniform(0, 0.05))
                begin = time.monotonic()
                end = choice[what](Scene(Lab.find(lab.name), talkers, chance))
                _await_echoes(talkers, what)
                verdict.faults.append(Fault(what, begin - start, end - start, time.monotonic() - start))
        finally:
            for talker in talkers:
                talker.end(RECOVERY)
        for talker in talkers:
            verdict.sent += talker.sent
            verdict.echoed += talker.echoed
            verdict.lost += talker.sent - talker.echoed
            verdict.duplicated += talker.duplicated
            verdict.reordered += talker.reordered
            verdict.echoes += [moment - start for moment in talker.echoes]
    verdict.echoes.sort()
    from nsbridge.study.measure import environment  # noqa: PLC0415 — it starts threads; main must enter before that

    verdict.environment = environment()
    return verdict


def dealt(names: Sequence[str], count: int, chance: random.Random) -> list[str]:
    """Return `count` of the names, dealt from shuffled decks that hold each once."""
    dealt: list[str] = []
    while len(dealt) < count:
        dealt += chance.sample(names, len(names))
    return dealt[:count]


def _await_echoes(talkers: Sequence[Talker], fault: str) -> None:
    """Wait until each talker has had an echo of a line that it sent from now on."""
    marks = [talker.sent for talker in talkers]
    deadline = time.monotonic() + RECOVERY
    while any(talker.echoed <= mark for talker, mark in zip(talkers, marks, strict=True)):
        if time.monotonic() > deadline:
            raise NsbridgeError(f"no echo for {RECOVERY:.0f} s after {fault}; look into the lab's bridge.log")
        time.sleep(_STEP)


def _percentiles(faults: Sequence[Fault]) -> tuple[float, float]:
    times = [fault.recovery for fault in faults] or [0.0]
    twentieths = quantiles(times * 2 if len(times) == 1 else times, n=20, method="inclusive")
    return twentieths[9], twentieths[18]


def main() -> int:
    """Run and print a verdict for each pair; exit with 1 if one is bad."""
    parser = argparse.ArgumentParser(prog="python -m nsbridge.study.faults", description=__doc__)
    parser.add_argument("--pair", nargs="+", default=list(PAIRS), choices=PAIRS)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--name", default="faults", help="what the labs' names begin with (default: faults)")
    parser.add_argument("--list", action="store_true", help="say as well how often each kind of fault was done")
    args = parser.parse_args()
    privilege.enter(None)
    good = True
    try:
        for pair in args.pair:
            verdict = run(pair, args.faults, args.seed, args.clients, args.name)
            print(verdict, flush=True)
            if args.list:
                verdict.kinds().print()
            good &= verdict.good
    except NsbridgeError as error:
        print(f"faults: {error} (seed {args.seed})", file=sys.stderr)
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
