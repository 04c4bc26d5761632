"""Some garbage for each parser and each live endpoint; `python -m tests.fuzz.fuzz` throws a hundred thousand each."""

import random

import pytest

from .fuzz import TARGETS, fuzz

COUNT = 1500


@pytest.mark.parametrize("target", TARGETS)
def test_garbage_harms_nobody(target: str) -> None:
    fuzz(target, random.SystemRandom().randrange(2**32), COUNT)  # a failure shows the seed that was printed
