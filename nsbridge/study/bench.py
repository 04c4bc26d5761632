"""`nsbridge bench`: measures pairs, each in turn with what it is held against, and keeps every sample.

The machine's speed drifts, so nothing is measured in one go: each round takes every case once, and what counts is the
median of the rounds' medians, and its ratio to that of another case in the same rounds.
"""

from __future__ import annotations

import csv
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nsbridge.containers.roles import A
from nsbridge.endpoints import endpoint
from nsbridge.errors import UsageError
from nsbridge.lab import Lab
from nsbridge.labs import fresh, together
from nsbridge.study import baselines
from nsbridge.study.compiled import compiled
from nsbridge.study.measure import Record, crowd, flood_rate, rate, read_json, record, rtt_samples
from nsbridge.study.startup import cold, warm
from nsbridge.tables import Table

SIZES = {1: 500, 64: 2000, 1024: 500, 8192: 300, 65536: 100, 1 << 20: 10}  # bytes of a message: how many
CHUNKS = {64: 20_000, 4096: 4_000, 65536: 512, 1 << 20: 32}  # bytes of a chunk: how many
STREAMS = (1, 10, 100, 1000)
_SMALL, _LARGE = 64, 65536
_ENDS = "/tmp/ends"  # noqa: S108 — in a container
_SERVE = {"net": "net 7", "ipc": "ipc 5566", "mnt": "mnt /run/nsbridge"}
_COLUMNS = ("pair", "what", "size", "streams", "baseline", "ends", "via", "round", "number", "value")


@dataclass(frozen=True)
class Case:
    """Something to measure that takes one go."""

    take: Callable[[], Mapping[str, list[float]]]
    """Returns the samples of each thing measured; none where the host lacks what it needs."""
    keys: dict[str, Any] = field(default_factory=dict)
    """What the records say of it besides."""
    what: str = ""
    """The thing measured, if it is one alone."""

    @classmethod
    def of(cls, what: str, take: Callable[[], list[float]], **keys: Any) -> Case:
        """Make a case of one thing."""
        return cls(lambda: {what: take()}, keys, what)


def run(pairs: Sequence[str], file: Path | None, rounds: int) -> int:
    """Measure each pair in labs of its own; print the table, and write records and samples.

    Args:
        pairs: such as `net-ipc`.
        file: where the records go, in JSON; every sample goes beside it, in a file that ends in `.csv`.
        rounds: how often each case is taken.

    Raises:
        UsageError: the file's folder is not there, or `rounds` is no number of rounds.
    """
    if file is not None and not file.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {file.absolute().parent}; make it, or give another file")
    if rounds < 1:
        raise UsageError(f"nothing can be measured in {rounds} rounds; give 1 or more")
    records: list[Record] = []
    rows: list[list[Any]] = []
    for pair in pairs:
        with bed(pair) as (cases, lab):
            found, samples = measure(cases, lab, rounds)
        records += found
        rows += samples
    show(records).print()
    if file is not None:
        file.write_text(json.dumps(records, indent=1))
        with file.with_suffix(".csv").open("w", newline="") as out:
            csv.writer(out).writerows([_COLUMNS, *rows])
    return 0


def measure(cases: Sequence[Case], lab: Lab, rounds: int) -> tuple[list[Record], list[list[Any]]]:
    """Take every case in every round; return the records, and the rows of all samples (see _COLUMNS)."""
    taken: list[list[Mapping[str, list[float]]]] = [[] for _ in cases]
    with tqdm(total=rounds * len(cases), desc=lab.pair, disable=not sys.stderr.isatty()) as bar:
        for _ in range(rounds):
            for case, turns in zip(cases, taken, strict=True):
                turns.append(case.take())
                bar.update()
    records, rows = [], []
    for case, turns in zip(cases, taken, strict=True):
        for what in turns[0]:
            sets = [turn[what] for turn in turns]
            if not any(sets):
                continue
            middles = [statistics.median(samples) for samples in sets]
            spread = {
                name: round(of(middles), 2)
                for name, of in (("low", min), ("median", statistics.median), ("high", max))
            }
            pooled = [sample for samples in sets for sample in samples]
            records.append(record(lab, what, pooled, count=len(pooled), rounds=spread, **case.keys))
            about = [lab.pair, what, *(case.keys.get(name, "") for name in _COLUMNS[2:7])]
            rows += [[*about, turn, number, round(sample, 3)] for turn, samples in enumerate(sets)
                     for number, sample in enumerate(samples)]  # fmt: skip
    return records, rows


def compared(pair: str, name: str = "bench", rounds: int = 3) -> list[Record]:
    """Measure round trips of 64 bytes of one pair beside all that it is held against; see `run`."""
    with bed(pair, name) as (cases, lab):
        chosen = [case for case in cases if case.what == "rtt" and case.keys["size"] == _SMALL]
        return measure(chosen, lab, rounds)[0]


def crowded(lab: Lab) -> list[Record]:
    """Measure a lab with few streams and with many; see `measure.crowd`."""
    return measure(list(_crowds(lab)), lab, 1)[0]


@contextmanager
def bed(pair: str, name: str = "bench") -> Iterator[tuple[list[Case], Lab]]:
    """Have what one pair is measured with: a lab and, if there is a compiler, one with client and server in C."""
    program = compiled("ends")
    making = [fresh(pair, f"{name}-{pair}").up]
    if program is not None:
        making.append(partial(_bare, fresh(pair, f"{name}-{pair}-c"), program))
    with together(*making) as (lab, *bare):
        yield [*_ours(lab), *_baselines(lab), *(case for each in bare for case in _between_c_ends(each))], lab


def _bare(lab: Lab, program: Path) -> Lab:
    """Make a lab whose client and server are the program `ends`; if that fails, nothing is left."""
    try:
        lab.prepare(server=f"exec {_ENDS} serve {_SERVE[lab.y]}")
        for container in (lab.a, lab.b):
            shutil.copy(program, container.bundle / "rootfs" / _ENDS.lstrip("/"))
        lab.create()
        lab.start()
        for step in lab.steps:
            lab.step(step)
        lab.wait()
    except BaseException:
        lab.down()
        raise
    return lab


def _ours(lab: Lab) -> Iterator[Case]:
    for size, count in SIZES.items():
        yield Case.of("rtt", partial(rtt_samples, lab, size, count), size=size)
    for size, count in CHUNKS.items():
        yield Case.of("throughput", partial(flood_rate, lab, size, count), size=size)
    yield from _crowds(lab)
    yield Case.of("warm start", partial(warm, lab.pair))
    yield Case.of("cold start", partial(cold, lab.pair))


def _crowds(lab: Lab) -> Iterator[Case]:
    for streams in STREAMS:
        take = partial(crowd, lab, streams, _SMALL, 1000, max(5, 500 // streams))
        yield Case(take, {"size": _SMALL, "streams": streams})


def _baselines(lab: Lab) -> Iterator[Case]:
    small, large = (_SMALL, SIZES[_SMALL]), (_LARGE, CHUNKS[_LARGE])
    for what, take, how in (("rtt", baselines.c_round_trips, small), ("throughput", baselines.c_rate, large)):
        yield Case.of(what, partial(take, lab.pair, *how), size=how[0], baseline="c", ends="c")
    for side, kind in (("a", lab.x), ("b", lab.y)):
        take = partial(baselines.direct_round_trips, lab, side, *small)
        yield Case.of("rtt", take, size=_SMALL, baseline="direct", via=kind)
    for relay in baselines.RELAYS:
        keys = {"baseline": "socat", "ends": "c", "via": relay}
        yield Case.of("rtt", partial(baselines.socat_round_trips, relay, *small), size=_SMALL, **keys)
        yield Case.of("throughput", partial(baselines.socat_rate, relay, *large), size=_LARGE, **keys)


def _between_c_ends(lab: Lab) -> Iterator[Case]:
    """Yield the bridge's own part: its round trips and its throughput between a client and a server in C."""

    def ends(what: str, size: int, count: int) -> dict[str, Any]:
        return read_json(lab.a.exec_argv([_ENDS, what, *endpoint(lab.x, A), str(size), str(count)]))

    small, large = (_SMALL, SIZES[_SMALL]), (_LARGE, CHUNKS[_LARGE])
    yield Case.of("rtt", lambda: ends("ping", *small)["rtt_us"], size=_SMALL, ends="c")
    yield Case.of("throughput", lambda: rate(ends("flood", *large)), size=_LARGE, ends="c")


def show(records: Sequence[Record]) -> Table:
    """Lay records out as a table; `of c` is the ratio to the C program in the same rounds."""
    keys = ("p50_us", "p95_us", "p99_us", "max_us", "mib_per_s", "mib")
    figures = ["p50 µs", "p95 µs", "p99 µs", "max µs", "MiB/s", "MiB", "of c"]
    header = ["pair", "what", "bytes", "streams", "relay", "ends", *figures]
    rows = [
        [
            *(str(each.get(key, "")) for key in ("pair", "what", "size", "streams")),
            " ".join(filter(None, (each["baseline"] or "bridge", each.get("via")))),
            each.get("ends", "nsbridge"),
            *(f"{each[key]:,.1f}" if key in each else "" for key in keys),
            _ratio(each, records),
        ]
        for each in records
    ]
    return Table(header, rows)


def _ratio(found: Record, records: Sequence[Record]) -> str:
    for other in records:
        if other["baseline"] == "c" and all(other.get(key) == found.get(key) for key in ("pair", "what", "size")):
            return f"{found['rounds']['median'] / other['rounds']['median']:.2f}"
    return ""
