"""Labs that are made, talked through, hurt and taken down, over and over; at the end all is as it was before.

`python -m nsbridge.study.cycles --cycles 100 --seed 1`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from tqdm import tqdm

from nsbridge import privilege
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab
from nsbridge.pairs import PAIRS
from nsbridge.study.traces import mark, traces

_WORDS = b"".join(b"line %d\n" % number for number in range(20))
_SETTLING = 10.0  # seconds in which what was killed must be gone
_PARTS = ("a", "b", "bridge", "supervisor")


@dataclass
class Ledger:
    """What was counted before the first cycle and after the last."""

    cycles: int
    seed: int
    before: dict[str, int]
    after: dict[str, int] = field(default_factory=dict)
    killed: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        """Whether nothing is left, and nothing missing."""
        return self.before == self.after

    def __str__(self) -> str:
        """Return it as one line."""
        counts = [
            f"{what} {now}" + (f" (before {self.before[what]})" if now != self.before[what] else "")
            for what, now in self.after.items()
        ]
        killed = ", ".join(f"{part} {times}" for part, times in sorted(self.killed.items()))
        return f"{self.cycles} cycles, seed {self.seed}, killed {killed}; at the end as before: {', '.join(counts)}"


def run(cycles: int, seed: int, name: str = "cycles") -> Ledger:
    """Go through `cycles` labs, one pair after the other, and count.

    Raises:
        NsbridgeError: a lab could not be made, talked through or taken down.
    """
    chance = random.Random(seed)  # noqa: S311 — to be repeated
    mark()
    bar = tqdm(range(cycles), disable=not sys.stderr.isatty())  # it has a thread
    _cycle(PAIRS[0], name, "bridge", 0)  # what is built once, and imported late, is there from now on
    found = Lab(PAIRS[0], name)
    places = privilege.home(), found.a.runc.root, name
    ledger = Ledger(cycles, seed, traces(*places))
    for number in bar:
        part = chance.choice(_PARTS)
        ledger.killed[part] += 1
        _cycle(PAIRS[number % len(PAIRS)], name, part, chance.choice([0, chance.uniform(0, 0.3)]))
    deadline = time.monotonic() + _SETTLING
    while (after := traces(*places)) != ledger.before and time.monotonic() < deadline:
        time.sleep(0.05)
    ledger.after = after
    return ledger


def _cycle(pair: str, name: str, part: str, pause: float) -> None:
    """Up, talk, kill, and down after so many seconds, perhaps in the middle of the mending."""
    lab = Lab(pair, name).up().supervise()
    try:
        done = subprocess.run(lab.client_argv(), input=_WORDS, capture_output=True, check=False)
        if done.stdout != _WORDS:
            raise NsbridgeError(f"a line did not come back on {pair}: {done.stderr.decode().strip()}")
        os.kill({**lab.pids(), "supervisor": lab.status()["supervisor"]["pid"]}[part], signal.SIGKILL)
        time.sleep(pause)
    finally:
        lab.down()


def main() -> int:
    """Run and print a verdict; exit with 1 if anything is left or missing."""
    parser = argparse.ArgumentParser(prog="python -m nsbridge.study.cycles", description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--name", default="cycles", help="the labs' name (default: cycles)")
    args = parser.parse_args()
    privilege.enter(None)
    try:
        ledger = run(args.cycles, args.seed, args.name)
    except NsbridgeError as error:
        print(f"cycles: {error} (seed {args.seed})", file=sys.stderr)
        return 1
    print(ledger)
    return 0 if ledger.good else 1


if __name__ == "__main__":
    sys.exit(main())
