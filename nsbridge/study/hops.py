"""Where the time of a round trip goes: the moments at which a message passes each process, laid side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from nsbridge.containers.roles import A
from nsbridge.endpoints import endpoint
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab
from nsbridge.labs import fresh, together
from nsbridge.study.measure import environment, read_json, rtt_samples

Times = np.ndarray[tuple[int, int], np.dtype[np.float64]]
HOPS = ("client to bridge", "bridge to server", "server to bridge", "bridge to client")
"""Each from the begin of one process's write to that of the next: the call, the waking, the reading."""


@dataclass(frozen=True)
class Hops:
    """The hops of many round trips of one pair."""

    pair: str
    size: int
    hops: Times
    """Microseconds: a row for each round trip, a column for each of HOPS; a row's sum is the round trip."""
    writing: Times
    """Microseconds that the write at the begin of each of the last three hops took, before it had returned."""
    unwatched: float
    """Microseconds: the median round trip of a lab beside this one whose processes note nothing."""
    environment: dict[str, object]

    @property
    def medians(self) -> dict[str, float]:
        """The median microseconds of each hop."""
        return {name: round(float(each), 2) for name, each in zip(HOPS, np.median(self.hops, axis=0), strict=True)}

    @property
    def cost(self) -> float:
        """How many times as long a round trip is whose times are noted."""
        return float(np.median(self.hops.sum(axis=1))) / self.unwatched


def hops(pair: str, name: str = "hops", size: int = 64, count: int = 1000, rounds: int = 3) -> Hops:
    """Measure one pair in two labs, of which one notes times.

    Args:
        pair: such as `net-ipc`.
        name: what the labs' names begin with.
        size: bytes of a message.
        count: round trips a round.
        rounds: how often the two labs take turns.

    Raises:
        NsbridgeError: an echo did not come back, or what was noted does not fit.
    """
    labs = fresh(pair, f"{name}-noting", stamps=True), fresh(pair, f"{name}-plain")
    with together(*(lab.up for lab in labs)) as (noting, plain):
        quiet, found = [], []
        for _ in range(rounds):
            quiet.append(float(np.median(rtt_samples(plain, size, count))))
            found.append(_noted(noting, size, count))
        return Hops(
            pair,
            size,
            np.vstack([each for each, _ in found]),
            np.vstack([each for _, each in found]),
            float(np.median(quiet)),
            environment(noting),
        )


def _noted(lab: Lab, size: int, count: int) -> tuple[Times, Times]:
    """Return hops and writing times of `count` round trips."""
    found = read_json(lab.run_argv("ping", str(size), str(count), *endpoint(lab.x, A)))
    sent = np.array(found["sent_ns"])
    back = sent + np.array(found["rtt_us"]) * 1000
    stamps = {name: _last(lab, name, count) for name in ("up", "server", "down")}
    begins = [sent, *(stamps[name][:, 0] for name in ("up", "server", "down")), back]
    writing = [stamps[name][:, 1] - stamps[name][:, 0] for name in ("up", "server", "down")]
    return np.diff(np.column_stack(begins), axis=1) / 1000, np.column_stack(writing) / 1000


def _last(lab: Lab, name: str, count: int) -> Times:
    """Return the last `count` pairs of times that a process noted under this name."""
    text = lab.b.output() if name == "server" else (lab.folder / "bridge.log").read_text()
    for line in reversed(text.splitlines()):
        if line.startswith("{") and (noted := json.loads(line))["stamps"] == name and len(noted["ns"]) >= count:
            return np.array(noted["ns"][-count:], dtype=np.float64)
    raise NsbridgeError(f"the times of {name!r} are not whole; run it again")
