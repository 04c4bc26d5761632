"""`nsbridge bench`: measures pairs, each in turn with what it is held against, and shows the ratios."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from nsbridge.errors import UsageError
from nsbridge.lab import Lab
from nsbridge.study import baselines
from nsbridge.study.measure import Record, flood_record, flood_seconds, rtt_record, rtt_samples
from nsbridge.tables import Table

SIZES = (64, 1024, 65536)  # bytes of a message
ROUNDS = 5  # how often each measurement is taken, in turn with its baselines, for the machine's speed drifts
CHUNKS = 256  # chunks of a flood, of the largest size


def run(pairs: Sequence[str], file: Path | None) -> int:
    """Measure each pair in a lab of its own; print the table and write the records to `file`."""
    if file is not None and not file.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {file.absolute().parent}; make it, or give another file")
    records: list[Record] = []
    for pair in tqdm(pairs, desc="pairs", disable=not sys.stderr.isatty()):
        with Lab(pair, f"bench-{pair}").up() as lab:
            records += measure(lab)
    show(records).print()
    if file is not None:
        file.write_text(json.dumps(records, indent=1))
    return 0


def measure(lab: Lab) -> list[Record]:
    """Return the records of one lab and its baselines."""
    records: list[Record] = []
    for size in SIZES:
        count = 1000 if size < SIZES[-1] else 100
        sources: dict[str | None, Callable[[], list[float] | None]] = {None: lambda: rtt_samples(lab, size, count)}  # noqa: B023
        if size == SIZES[0]:
            sources |= {
                "c": lambda: baselines.c_round_trips(lab.pair, size, count),  # noqa: B023
                "direct": lambda: baselines.direct_round_trips(lab, size, count),  # noqa: B023
                "socat": lambda: baselines.socat_round_trips(size, count),  # noqa: B023
            }
        samples: dict[str | None, list[float]] = {}
        for _ in range(ROUNDS):
            for baseline, source in sources.items():
                samples.setdefault(baseline, []).extend(source() or [])
        records += [rtt_record(lab, size, taken, baseline) for baseline, taken in samples.items() if taken]
    ours, c = [], []
    for _ in range(ROUNDS):
        ours.append(flood_seconds(lab, SIZES[-1], CHUNKS))
        if (seconds := baselines.c_flood(lab.pair, SIZES[-1], CHUNKS)) is not None:
            c.append(seconds)
    records.append(flood_record(lab, SIZES[-1], CHUNKS, statistics.median(ours)))
    if c:
        records.append(flood_record(lab, SIZES[-1], CHUNKS, statistics.median(c), "c"))
    return records


def show(records: Sequence[Record]) -> Table:
    """Lay records out as a table; `of c` is the ratio to the C program in the same run."""
    keys = ("p50_us", "p95_us", "p99_us", "max_us", "mib_per_s")
    header = ["pair", "what", "bytes", "count", "who", "p50 µs", "p95 µs", "p99 µs", "max µs", "MiB/s", "of c"]
    rows = [
        [
            *(str(each[key]) for key in ("pair", "what", "size", "count")),
            each["baseline"] or "nsbridge",
            *(str(each.get(key, "")) for key in keys),
            _ratio(each, records),
        ]
        for each in records
    ]
    return Table(header, rows)


def _ratio(record: Record, records: Sequence[Record]) -> str:
    same = ("pair", "what", "size")
    key = "p50_us" if record["what"] == "rtt" else "mib_per_s"
    for other in records:
        if other["baseline"] == "c" and all(other[name] == record[name] for name in same):
            return f"{record[key] / other[key]:.2f}"
    return ""
