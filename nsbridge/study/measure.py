"""Measurements: each a function of its parameters that returns plain records; draws nothing.

A record has the keys of `nsbridge bench --json`; raw samples stand beside it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nsbridge.census import census
from nsbridge.containers import runc
from nsbridge.containers.roles import A
from nsbridge.endpoints import endpoint
from nsbridge.errors import NsbridgeError
from nsbridge.lab import Lab
from nsbridge.privilege import rootless

Record = dict[str, Any]
OURS = ("the bridge, ends in Python", "the bridge, ends in C")
"""What a report calls the bridge by who is at its ends."""
_PERCENTILES = ("p50_us", "p95_us", "p99_us", "max_us")
_OTHER_UNITS = {"throughput": "mib_per_s", "memory": "mib"}


def environment(lab: Lab | None = None) -> dict[str, Any]:
    """Return what a reader needs to judge a figure: machine, kernel, versions and, of a lab, the namespaces."""
    facts = dict(_host())
    if lab is not None:
        facts["namespaces"] = census(lab.pids())
    return facts


@cache
def _host() -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "runc": runc.version(),
        "user": "ordinary" if rootless() else "root",
    }


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
    return record(lab, "rtt", samples, size=size, count=len(samples), baseline=baseline)


def sizes(lab: Lab, of: Sequence[int] = (16, 64, 256, 1024, 4096, 16384, 65536), count: int = 300) -> list[Record]:
    """Measure round trips of messages of several sizes, in bytes; errors as `round_trips`."""
    return [round_trips(lab, size, count)[0] for size in of]


def throughput(lab: Lab, size: int = 65536, count: int = 512) -> Record:
    """Measure `count` chunks of `size` bytes, all sent while their echoes come back.

    Raises:
        NsbridgeError: as `round_trips`.
    """
    return record(lab, "throughput", flood_rate(lab, size, count), size=size, count=count)


def flood_rate(lab: Lab, size: int, count: int) -> list[float]:
    """Return the MiB a second alone; see `throughput`."""
    return rate(read_json(_argv(lab, "flood", size, count)))


def rate(found: Mapping[str, Any]) -> list[float]:
    """Return the MiB a second of what a flood printed; nothing if it did not run."""
    return [found["size"] * found["count"] / (1 << 20) / found["seconds"]] if found else []


def crowd(lab: Lab, streams: int, size: int, pings: int, rounds: int) -> dict[str, list[float]]:
    """Have so many streams open, and measure.

    Returns:
        `idle`: round trips through one while the others are silent, in microseconds; `busy`: the microseconds that a
        message takes when each stream has one on its way, of each round; `memory`: the MiB that the bridge then has
        resident (VmRSS in proc(5)).

    Raises:
        NsbridgeError: as `round_trips`, or so many cannot be open.
    """
    argv = lab.run_argv("crowd", *map(str, (streams, size, pings, rounds)), *endpoint(lab.x, A))
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        status = Path(f"/proc/{lab.pids()['bridge']}/status").read_text()
        error = process.communicate("\n")[1]
    if process.returncode:
        raise NsbridgeError(f"{streams} streams at once: the measurement failed: {error.strip()}")
    found = json.loads(line)
    resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return {"idle": found["idle_us"], "busy": found["busy_us"], "memory": [resident]}


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


def record(lab: Lab, what: str, samples: Sequence[float], **keys: object) -> Record:
    """Make a record of samples in the unit of `what`: MiB (memory), MiB a second (throughput), or microseconds."""
    if what in _OTHER_UNITS:
        figures = {_OTHER_UNITS[what]: round(float(np.median(samples)), 1)}
    else:
        found = np.percentile(samples, [50, 95, 99, 100])
        figures = {name: round(float(each), 2) for name, each in zip(_PERCENTILES, found, strict=True)}
    return {"pair": lab.pair, "what": what, "baseline": None, **keys, **figures, "environment": environment(lab)}


def who(found: Record) -> str:
    """Return, in words, who relayed."""
    via = found.get("via", "")
    return {
        None: OURS[found.get("ends") == "c"],
        "c": "a relay in C, ends in C",
        "socat": f"socat, {via.replace('-', ' to ')}, ends in C",
        "direct": f"no bridge, {via} alone, ends in Python",
    }[found["baseline"]]


def _argv(lab: Lab, program: str, size: int, count: int) -> list[str]:
    """Return the command of a measuring program in container A."""
    return lab.run_argv(program, str(size), str(count), *endpoint(lab.x, A))
