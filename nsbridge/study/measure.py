"""Measurements: each a function of its parameters that returns plain records; draws nothing.

A record has the keys of `nsbridge bench --json`; raw samples stand beside it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np

from nsbridge.containers import runc
from nsbridge.containers.roles import A
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab, endpoint
from nsbridge.privilege import rootless

Record = dict[str, Any]


def environment(lab: Lab | None = None) -> dict[str, Any]:
    """Return what a reader needs to judge a figure: machine, kernel, versions and, of a lab, the namespaces."""
    facts: dict[str, Any] = {
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "runc": runc.version(),
        "user": "ordinary" if rootless() else "root",
    }
    if lab is not None:
        status = lab.status()
        facts["namespaces"] = {side: status[side]["namespaces"] for side in ("a", "bridge", "b")}
    return facts


def round_trips(lab: Lab, size: int = 64, count: int = 2000) -> tuple[Record, list[float]]:
    """Measure round trips of messages of `size` bytes from A to B and back.

    Returns:
        The record, and the `count` samples in microseconds in their order.

    Raises:
        NsbridgeError: an echo did not come back, or came back changed.
    """
    samples = rtt_samples(lab, size, count)
    return rtt_record(lab, size, samples), samples


def rtt_samples(lab: Lab, size: int, count: int) -> list[float]:
    """Return the samples alone; see `round_trips`."""
    samples: list[float] = read_json(_argv(lab, "ping", size, count))["rtt_us"]
    return samples


def rtt_record(lab: Lab, size: int, samples: Sequence[float], baseline: str | None = None) -> Record:
    """Make the record of samples in microseconds, which a baseline took if it is named."""
    p50, p95, p99, largest = (round(float(each), 2) for each in np.percentile(samples, [50, 95, 99, 100]))
    figures = {"p50_us": p50, "p95_us": p95, "p99_us": p99, "max_us": largest}
    return _record(lab, what="rtt", size=size, count=len(samples), baseline=baseline, **figures)


def sizes(lab: Lab, of: Sequence[int] = (16, 64, 256, 1024, 4096, 16384, 65536), count: int = 300) -> list[Record]:
    """Measure round trips of messages of several sizes, in bytes; errors as `round_trips`."""
    return [round_trips(lab, size, count)[0] for size in of]


def throughput(lab: Lab, size: int = 65536, count: int = 512) -> Record:
    """Measure `count` chunks of `size` bytes, all sent while their echoes come back.

    Raises:
        NsbridgeError: as `round_trips`.
    """
    return flood_record(lab, size, count, flood_seconds(lab, size, count))


def flood_seconds(lab: Lab, size: int, count: int) -> float:
    """Return the seconds until all chunks are back; see `throughput`."""
    seconds: float = read_json(_argv(lab, "flood", size, count))["seconds"]
    return seconds


def flood_record(lab: Lab, size: int, count: int, seconds: float, baseline: str | None = None) -> Record:
    """Make the record of a flood, which a baseline took if it is named."""
    figures = {"mib_per_s": round(size * count / (1 << 20) / seconds, 1)}
    return _record(lab, what="throughput", size=size, count=count, baseline=baseline, **figures)


def read_json(argv: Sequence[str]) -> dict[str, Any]:
    """Run a measuring program and return what it printed.

    Raises:
        NsbridgeError: it failed; its own words.
    """
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NsbridgeError(f"the measurement failed: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _record(lab: Lab, **keys: object) -> Record:
    return {"pair": lab.pair, **keys, "environment": environment(lab)}


def _argv(lab: Lab, program: str, size: int, count: int) -> list[str]:
    """Return the command of a measuring program in container A."""
    return lab.run_argv(program, str(size), str(count), *endpoint(lab.x, A))
