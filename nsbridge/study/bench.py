"""`nsbridge bench`: measures pairs one after the other and shows a table; how to measure is measure's to know."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from nsbridge.errors import UsageError
from nsbridge.lab import Lab
from nsbridge.study.measure import Record, round_trips, throughput
from nsbridge.tables import Table

SIZES = (64, 1024, 65536)  # bytes of a message


def run(pairs: Sequence[str], file: Path | None) -> int:
    """Measure each pair in a lab of its own; print the table and write the records to `file`."""
    if file is not None and not file.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {file.absolute().parent}; make it, or give another file")
    records: list[Record] = []
    for pair in tqdm(pairs, desc="pairs", disable=not sys.stderr.isatty()):
        with Lab(pair, f"bench-{pair}").up() as lab:
            records += [round_trips(lab, size, 2000 if size < 65536 else 200)[0] for size in SIZES]
            records.append(throughput(lab))
    show(records).print()
    if file is not None:
        file.write_text(json.dumps(records, indent=1))
    return 0


def show(records: Sequence[Record]) -> Table:
    """Lay records out as a table."""
    keys = ("p50_us", "p95_us", "p99_us", "max_us", "mib_per_s")
    header = ["pair", "what", "bytes", "count", "p50 µs", "p95 µs", "p99 µs", "max µs", "MiB/s"]
    rows = [
        [each["pair"], each["what"], str(each["size"]), str(each["count"]), *(str(each.get(key, "")) for key in keys)]
        for each in records
    ]
    return Table(header, rows)
