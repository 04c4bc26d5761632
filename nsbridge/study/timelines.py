"""Time lines of a fault run and of a soak; they run nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nsbridge.errors import UsageError
from nsbridge.study.faults import Verdict
from nsbridge.study.soak import PARTS
from nsbridge.study.style import HAIR, INK, LINES, QUIET, figure, subtitle

_BIN = 0.05  # seconds for which echoes are counted together
_AROUND = (0.15, 0.3)  # seconds that are shown before a fault and after its recovery
_LABEL = 0.03  # the share of the width that a fault's number takes
_SHADE = "#f5d39b"


def whole(verdict: Verdict) -> Figure:
    """Draw how many echoes came at each moment of a fault run, with its faults by number."""
    end = verdict.faults[-1].recovered + _AROUND[1]
    edges = np.arange(0, end + _BIN, _BIN)
    counts = np.histogram(verdict.echoes, edges)[0]
    with figure(2.4) as (made, axes):
        beside, raised = -end, False
        for number, fault in enumerate(verdict.faults, 1):
            axes.axvspan(fault.begin, fault.end, color=HAIR, linewidth=0, zorder=0)
            axes.axvspan(fault.end, fault.recovered, color=_SHADE, linewidth=0.8, zorder=0)
            raised = fault.begin - beside < _LABEL * end and not raised
            beside = fault.begin
            axes.text(
                fault.begin, 1.08 if raised else 1.02, str(number), ha="center", va="bottom", color=QUIET,
                fontsize=7, transform=axes.get_xaxis_transform(),
            )  # fmt: skip
        axes.stairs(counts, edges, color="#1f3a5f", fill=True, alpha=0.85, linewidth=0)
        axes.set_xlim(0, end)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds since the start")
        axes.set_ylabel(f"echoes in {_BIN * 1000:.0f} ms")
        axes.set_title(f"{verdict.pair}. {subtitle(verdict.environment)}", pad=18)
    return made


def moment(verdict: Verdict, what: str) -> Figure:
    """Draw the echoes around the first fault of one kind, one by one.

    Raises:
        UsageError: there was none of that kind.
    """
    fault = next((each for each in verdict.faults if each.what == what), None)
    if fault is None:
        raise UsageError(f"no {what!r} in this run; let more faults happen")
    begin, end = fault.begin - _AROUND[0], fault.recovered + _AROUND[1]
    times = [1000 * (echo - fault.begin) for echo in verdict.echoes if begin <= echo <= end]
    with figure(2.3) as (made, axes):
        axes.step([*times, 1000 * (end - fault.begin)], [*range(1, len(times) + 1), len(times)], where="post",
                  color="#1f3a5f", linewidth=1.2)  # fmt: skip
        recovered = 1000 * (fault.recovered - fault.begin)
        for when, word, dash in ((0.0, what, "-"), (recovered, "every client has an echo again", "--")):
            axes.axvline(when, color=INK, linewidth=0.9, linestyle=dash, label=f"{word}, {when:.0f} ms")
        axes.set_xlabel("milliseconds since the fault")
        axes.set_ylabel("echoes so far")
        axes.legend(loc="lower right")
        axes.set_title(f"{verdict.pair}. {subtitle(verdict.environment)}")
    return made


def soak(record: dict[str, Any]) -> Figure:
    """Draw memory and descriptors of the bridge, of the clients and of the server while a soak went on."""
    samples = record["samples"]
    seconds = [each["seconds"] for each in samples]
    with figure(2.5, columns=2) as (made, (left, right)):
        for part, (colour, dash) in zip(PARTS, LINES[::2], strict=True):
            scale = record["clients"] if part == "clients" else 1
            name = "a client" if part == "clients" else f"the {part}"
            sizes = [each[part]["rss"] / scale / (1 << 20) for each in samples]
            held = [each[part]["descriptors"] / scale for each in samples]
            left.plot(seconds, sizes, dash, color=colour, linewidth=1.2, label=name)
            right.plot(seconds, held, dash, color=colour, linewidth=1.2, label=name)
        for axes, label in ((left, "resident memory (MiB)"), (right, "open descriptors")):
            axes.set_ylim(bottom=0)
            axes.set_xlabel("seconds")
            axes.set_ylabel(label)
        left.legend(loc="lower right", title=f"{record['account']['messages']:,} messages", title_fontsize=8)
        left.set_title(f"{record['pair']}, {record['clients']} clients. {subtitle(record['environment'])}")
    return made
