"""All pairs measured one after the other, each in a lab of its own; draws nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nsbridge.errors import UsageError
from nsbridge.forms import Sheet, bold
from nsbridge.labs import fresh, together
from nsbridge.pairs import PAIRS, parse
from nsbridge.study.measure import Record, round_trips, throughput

_KEYS = ("p50_us", "p95_us", "p99_us", "max_us")


@dataclass
class Results:
    """What was measured of several pairs: records of round trips and of throughput, and the round trips' samples."""

    rtt: list[Record] = field(default_factory=list)
    rate: list[Record] = field(default_factory=list)
    samples: dict[str, list[float]] = field(default_factory=dict)

    def table(self, pair: str = "") -> Sheet:
        """Lay it out, a row for each pair; `pair` stands out.

        Raises:
            UsageError: there is no such pair.
        """
        if pair:
            parse(pair)
        rows = []
        for rtt, rate in zip(self.rtt, self.rate, strict=True):
            cells = [rtt["pair"], *(f"{rtt[key]:,.1f}" for key in _KEYS), f"{rate['mib_per_s']:,.0f}"]
            rows.append([bold(cell) if rtt["pair"] == pair else cell for cell in cells])
        return Sheet(["pair", "median µs", "p95 µs", "p99 µs", "slowest µs", "MiB/s"], rows, "lrrrrr")

    def save(self, file: Path) -> None:
        """Write all of it to `file`."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, file: Path) -> Results:
        """Return what `save` wrote.

        Raises:
            UsageError: the file is not there, or holds something else.
        """
        try:
            return cls(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f'no measurements in {file} ({error}): measure anew with records = ""') from None


def measured(
    records: str = "", name: str = "book", pairs: Sequence[str] = PAIRS, say: Callable[[str], None] = print
) -> Results:
    """Return what the file `records` holds of an earlier run; without one, measure each pair.

    Args:
        records: a file, or nothing.
        name: what the labs' names begin with.
        pairs: what to measure.
        say: is told each pair when it is done.
    """
    if records and Path(records).exists():
        return Results.load(Path(records))
    found = Results()
    with together(*(fresh(pair, f"{name}-{pair}").up for pair in pairs)) as labs:
        for lab in labs:  # the others are up, and silent
            record, samples = round_trips(lab)
            found.rtt.append(record)
            found.rate.append(throughput(lab))
            found.samples[lab.pair] = [round(sample, 2) for sample in samples]
            say(f"{lab.pair}: median {record['p50_us']:.1f} µs, {found.rate[-1]['mib_per_s']:.0f} MiB/s")
    if records:
        found.save(Path(records))
    return found
