"""What it costs where the processes of a lab run: all on one core, next to each other, or where the kernel likes.

Source: sched_setaffinity(2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nsbridge.lab import Lab
from nsbridge.study.measure import environment, rtt_samples


@dataclass(frozen=True)
class Placed:
    """Round trips of one lab by where its processes ran."""

    pair: str
    samples: Mapping[str, list[float]]
    """Microseconds, by placement."""
    environment: Mapping[str, Any]

    @property
    def medians(self) -> dict[str, float]:
        """The median microseconds of each placement."""
        return {name: float(np.median(taken)) for name, taken in self.samples.items()}


def placements(cores: list[int]) -> dict[str, dict[str, set[int]]]:
    """Return, for each placement, the cores of A, bridge and B.

    Args:
        cores: numbers of the cores that may be used; with one there is nothing to choose.
    """
    everywhere = set(cores)
    first, second = {cores[0]}, {cores[-1]}
    return {
        "all on one core": dict.fromkeys(("a", "bridge", "b"), first),
        "the bridge on a core of its own": {"a": first, "bridge": second, "b": first},
        "wherever the kernel likes": dict.fromkeys(("a", "bridge", "b"), everywhere),
    }


def placed(lab: Lab, size: int = 64, count: int = 1000, rounds: int = 3) -> Placed:
    """Measure round trips with the processes of a lab in each placement, in turn.

    Raises:
        NsbridgeError: an echo did not come back.
    """
    cores = sorted(os.sched_getaffinity(0))
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, where in placements(cores).items():
            with _kept_to(lab, where):
                samples.setdefault(name, []).extend(rtt_samples(lab, size, count))
    return Placed(lab.pair, samples, environment(lab))


@contextmanager
def _kept_to(lab: Lab, where: Mapping[str, set[int]]) -> Iterator[None]:
    """Keep a lab's processes to cores; a client that is started meanwhile inherits those of A from this process."""
    own = os.sched_getaffinity(0)
    try:
        _move(lab, where)
        os.sched_setaffinity(0, where["a"])
        yield
    finally:
        os.sched_setaffinity(0, own)
        _move(lab, dict.fromkeys(where, own))


def _move(lab: Lab, where: Mapping[str, set[int]]) -> None:
    for part, pid in lab.pids().items():
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):  # a thread that has ended meanwhile
                os.sched_setaffinity(int(task.name), where[part])
