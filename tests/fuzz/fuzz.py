"""Throws garbage at parsers and at live endpoints; the same seed throws the same things.

Run it as `python -m tests.fuzz.fuzz [--count 100000] [--seed N] [TARGET…]`. It fails where garbage is not refused as
promised, where an honest client beside it is not served, or where something is left at the end.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from .frames import FRAMES, Throw
from .live import fuzz_listener, fuzz_opener
from .texts import TEXTS

MEDIA = ("net", "ipc", "mnt")


def fuzz_parser(make: Callable[[Path], AbstractContextManager[Throw]], seed: int, count: int, place: Path) -> None:
    """Throw `count` inputs at a parser."""
    dice = random.Random(seed)
    with make(place) as throw:
        for _ in range(count):
            throw(dice)


TARGETS: dict[str, Callable[[int, int, Path], None]] = {
    **{name: partial(fuzz_parser, make) for name, make in (FRAMES | TEXTS).items()},
    **{f"{kind}-listener": partial(fuzz_listener, kind) for kind in MEDIA},
    **{f"{kind}-opener": partial(fuzz_opener, kind) for kind in MEDIA},
}


def fuzz(target: str, seed: int, count: int) -> None:
    """Throw `count` inputs at one of TARGETS, and say so."""
    print(f"{target}: seed {seed}", flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nsbridge-fuzz-") as folder:
        TARGETS[target](seed, count, Path(folder))
    print(
        f"{target}: {count} inputs in {time.monotonic() - start:.0f} s: as promised, and nothing is left", flush=True
    )


def main() -> None:
    """Fuzz the targets named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("targets", nargs="*", default=list(TARGETS), metavar="TARGET", help=", ".join(TARGETS))
    args = parser.parse_args()
    for target in args.targets:
        fuzz(target, args.seed, args.count)


if __name__ == "__main__":
    main()
