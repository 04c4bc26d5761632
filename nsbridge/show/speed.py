"""Measurements as tables; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from nsbridge.forms import Sheet
from nsbridge.study.measure import Record


def crowd(records: Sequence[Record]) -> Sheet:
    """Lay out what one pair does with few streams and with many."""
    streams = list(dict.fromkeys(each["streams"] for each in records))
    found = {(each["what"], each["streams"]): each for each in records}
    rows = []
    for count in sorted(streams):
        cells = [found.get((what, count), {}).get("p50_us") for what in ("idle", "busy")]
        memory = found.get(("memory", count), {}).get("mib")
        rows.append([
            f"{count:,}",
            *(f"{cell:,.0f}" if cell is not None else "" for cell in cells),
            f"{memory:.0f}" if memory is not None else "",
        ])  # fmt: skip
    header = [
        "streams open",
        "round trip beside silent ones, µs",
        "a message when all are busy, µs",
        "bridge's memory, MiB",
    ]
    return Sheet(header, rows, "rrrr")
