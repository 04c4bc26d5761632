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
    samples: list[float] = _run(lab, "ping", size, count)["rtt_us"]
    p50, p95, p99, largest = np.percentile(samples, [50, 95, 99, 100])
    record = {
        **_head(lab, "rtt", size, count),
        "p50_us": round(float(p50), 2),
        "p95_us": round(float(p95), 2),
        "p99_us": round(float(p99), 2),
        "max_us": round(float(largest), 2),
        "environment": environment(lab),
    }
    return record, samples


def sizes(lab: Lab, of: Sequence[int] = (16, 64, 256, 1024, 4096, 16384, 65536), count: int = 300) -> list[Record]:
    """Measure round trips of messages of several sizes, in bytes; errors as `round_trips`."""
    return [round_trips(lab, size, count)[0] for size in of]


def throughput(lab: Lab, size: int = 65536, count: int = 512) -> Record:
    """Measure `count` chunks of `size` bytes, all sent while their echoes come back.

    Raises:
        NsbridgeError: as `round_trips`.
    """
    seconds = _run(lab, "flood", size, count)["seconds"]
    return {
        **_head(lab, "throughput", size, count),
        "mib_per_s": round(size * count / (1 << 20) / seconds, 1),
        "environment": environment(lab),
    }


def _head(lab: Lab, what: str, size: int, count: int) -> Record:
    return {"pair": lab.pair, "what": what, "size": size, "count": count, "baseline": None}


def _run(lab: Lab, program: str, size: int, count: int) -> dict[str, Any]:
    """Run a measuring program in container A and return what it printed."""
    argv = lab.run_argv(program, str(size), str(count), *endpoint(lab.x, A))
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        raise NsbridgeError(f"the measurement failed: {result.stderr.strip()}")
    found: dict[str, Any] = json.loads(result.stdout)
    return found
