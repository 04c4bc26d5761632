"""A short fault run on every pair; the long one is `python -m nsbridge.study.faults --faults 100`."""

from __future__ import annotations

import os
import random

import pytest

from nsbridge.pairs import PAIRS
from nsbridge.study.faults import run

FAULTS = int(os.environ.get("NSBRIDGE_FAULTS", "4"))


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("pair", PAIRS)
def test_no_fault_loses_doubles_or_misplaces_a_line(pair: str) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    verdict = run(pair, FAULTS, seed, clients=2)
    print(verdict)
    assert verdict.good, verdict
    assert verdict.echoed == verdict.sent > 0
    assert len(verdict.faults) == FAULTS
