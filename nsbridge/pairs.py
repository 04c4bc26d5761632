"""The ordered pairs of kinds that a bridge may join: the first with A, the second with B."""

from __future__ import annotations

from itertools import permutations

from nsbridge.errors import UsageError

KINDS = ("net", "ipc", "mnt")
PAIRS = tuple("-".join(pair) for pair in permutations(KINDS, 2))


def parse(pair: str) -> tuple[str, str]:
    """Split `x-y` into X and Y.

    Raises:
        UsageError: it is none of PAIRS.
    """
    if pair not in PAIRS:
        raise UsageError(f"no such pair: {pair!r}; choose one of {', '.join(PAIRS)}")
    x, _, y = pair.partition("-")
    return x, y
