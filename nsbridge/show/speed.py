"""Measurements as tables; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from nsbridge.forms import Sheet, bold
from nsbridge.study.measure import OURS, Record, who


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


def ratios(records: Sequence[Record]) -> Sheet:
    """Set the bridge's median round trips against each of the others': below 1 the bridge is quicker."""
    medians = {who(each): each["rounds"]["median"] for each in records}
    ours = {name: medians[name] for name in OURS if name in medians}
    rows = [
        [bold(name) if name in OURS else name, f"{median:.1f}", *(f"{own / median:.2f}" for own in ours.values())]
        for name, median in medians.items()
    ]
    found = {name: {other: own / median for other, median in medians.items()} for name, own in ours.items()}
    header = ["what", "median µs", *(f"{name} : this" for name in ours)]
    return Sheet(header, rows, "l" + "r" * (1 + len(ours)), {"ratios": found})
