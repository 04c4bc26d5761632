"""Plots of what was measured; they run nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from nsbridge.pairs import KINDS, PAIRS
from nsbridge.study.hops import Hops
from nsbridge.study.measure import Record, who
from nsbridge.study.placement import Placed
from nsbridge.study.style import INK, LINES, QUIET, SHADES, figure, subtitle

_LABELS = dict(zip(PAIRS, LINES, strict=True))


def histogram(record: Record, samples: Sequence[float]) -> Figure:
    """Draw how often each round-trip time came, on a logarithmic scale, with the percentiles named."""
    edges = np.geomspace(min(samples) * 0.95, max(samples) * 1.05, 80)
    with figure(2.5) as (made, axes):
        axes.hist(samples, bins=list(edges), color="#a9c6e8", edgecolor="#1f3a5f", linewidth=0.4)
        for name, dash in (("p50", "-"), ("p95", "--"), ("p99", ":")):
            value = record[f"{name}_us"]
            axes.axvline(value, color=INK, linestyle=dash, linewidth=1, label=f"{name}  {value:.1f} µs")
        axes.legend(title=f"slowest  {record['max_us']:,.0f} µs", title_fontsize=8)
        axes.set_xscale("log")
        _decades(axes.xaxis)
        axes.set_xlabel(f"round trip of {record['size']} bytes (µs)")
        axes.set_ylabel("messages")
        axes.set_title(f"{record['pair']}, {record['count']:,} messages. {subtitle(record['environment'])}")
    return made


def sweep(records: Sequence[Record]) -> Figure:
    """Draw the round trip over the size of the message, median and 95th percentile."""
    sizes = [record["size"] for record in records]
    with figure(2.5) as (made, axes):
        axes.plot(sizes, [each["p50_us"] for each in records], "o-", color="#1f3a5f", markersize=3.5, label="median")
        axes.plot(sizes, [each["p95_us"] for each in records], "s--", color="#b5651d", markersize=3, label="p95")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(sizes, [_bytes(size) for size in sizes])
        axes.minorticks_off()
        _decades(axes.yaxis)
        axes.set_xlabel("bytes in a message")
        axes.set_ylabel("round trip (µs)")
        axes.legend()
        axes.set_title(f"{records[0]['pair']}. {subtitle(records[0]['environment'])}")
    return made


def ecdf(samples: Mapping[str, Sequence[float]], record: Record, pair: str = "") -> Figure:
    """Draw for each pair which share of its round trips took at most so long; `pair` stands out."""
    with figure(3.0) as (made, axes):
        for name, values in samples.items():
            colour, dash = _LABELS[name]
            wide = name == pair
            axes.ecdf(
                np.asarray(values), color=colour, linestyle=dash, linewidth=2.2 if wide else 1.0,
                label=f"{name}{'  (this report)' if wide else ''}", zorder=3 if wide else 2,
            )  # fmt: skip
        everything = np.concatenate([np.asarray(values) for values in samples.values()])
        axes.set_xlim(float(np.percentile(everything, 0.1)) * 0.95, float(np.percentile(everything, 98)))
        axes.set_xlabel(f"round trip of {record['size']} bytes (µs)")
        axes.set_ylabel("share of the messages")
        axes.legend(loc="lower right")
        axes.set_title(f"{record['count']:,} messages a pair. {subtitle(record['environment'])}")
    return made


def throughput(records: Sequence[Record], pair: str = "") -> Figure:
    """Draw how many bytes a second each pair carries there and back; `pair` stands out."""
    with figure(2.1) as (made, axes):
        names = [record["pair"] for record in records]
        values = [record["mib_per_s"] for record in records]
        bars = axes.barh(names, values, color="#dfe7f0", edgecolor="#1f3a5f", linewidth=0.6, height=0.62)
        for name, bar in zip(names, bars, strict=True):
            if name == pair:
                bar.set(facecolor="#a9c6e8", hatch="////", linewidth=1.2)
        axes.bar_label(bars, fmt="{:.0f}", padding=3)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("MiB/s, sent while their echoes come back")
        axes.set_title(f"{records[0]['count']} chunks of {_bytes(records[0]['size'])}. "
                       f"{subtitle(records[0]['environment'])}")  # fmt: skip
    return made


def heat(records: Sequence[Record], pair: str = "") -> Figure:
    """Draw the median round trip of all pairs as a map: the rows are X, shared with A, and the columns Y."""
    found = {record["pair"]: record["p50_us"] for record in records}
    grid = np.array([[found.get(f"{x}-{y}", np.nan) for y in KINDS] for x in KINDS])
    with figure(2.3) as (made, axes):
        image = axes.imshow(grid, cmap="Greys", vmin=0, vmax=float(np.nanmax(grid)) * 1.6)
        for row, x in enumerate(KINDS):
            for column, y in enumerate(KINDS):
                name, there = f"{x}-{y}", x != y
                axes.text(
                    column, row, f"{found.get(name, float('nan')):.0f}" if there else "-", ha="center", va="center",
                    color=INK if there else QUIET, fontweight="bold" if name == pair else "normal", fontsize=9,
                )  # fmt: skip
        axes.set_xticks(range(3), [kind.upper() for kind in KINDS])
        axes.set_yticks(range(3), [kind.upper() for kind in KINDS])
        axes.set_xlabel("Y, shared with B")
        axes.set_ylabel("X, shared with A")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        made.colorbar(image, ax=axes, label="median round trip (µs)", shrink=0.9)
    return made


def hops(found: Sequence[Hops]) -> Figure:
    """Draw the round trip of each pair as a bar in four parts: hatched, the write that is still under way."""
    with figure(0.9 + 0.42 * len(found)) as (made, axes):
        for row, each in enumerate(found):
            left = 0.0
            writing = np.median(each.writing, axis=0)
            for number, (name, width) in enumerate(each.medians.items()):
                colour = SHADES[number]
                axes.barh(row, width, left=left, color=colour, edgecolor="#1f3a5f", linewidth=0.5, height=0.6,
                          label=name if row == 0 else None)  # fmt: skip
                if number:
                    part = min(float(writing[number - 1]), width)
                    axes.barh(
                        row, part, left=left, color="none", edgecolor="#1f3a5f", hatch="////", linewidth=0, height=0.6
                    )
                axes.text(left + width / 2, row, f"{width:.0f}", ha="center", va="center", fontsize=7.5, color=INK,
                          bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8})  # fmt: skip
                left += width
        axes.set_yticks(range(len(found)), [f"{each.pair}\n(unwatched {each.unwatched:.0f})" for each in found])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"round trip of {found[0].size} bytes (µs)")
        axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=7.5, handlelength=1.2)
    return made


def against(records: Sequence[Record]) -> Figure:
    """Draw the median round trips of a bench's records of one size beside each other: ours, C, socat, no bridge."""
    rows = [(who(each), each["rounds"]) for each in records]
    with figure(0.7 + 0.27 * len(rows)) as (made, axes):
        for row, (name, spread) in enumerate(rows):
            look = {"color": "#a9c6e8", "hatch": "////"} if name.startswith("the bridge") else {"color": "#e4e7ea"}
            axes.barh(row, spread["median"], edgecolor="#1f3a5f", linewidth=0.5, height=0.62, **look)
            axes.plot([spread["low"], spread["high"]], [row, row], color=INK, linewidth=1, marker="|", markersize=5)
            axes.text(spread["high"], row, f"  {spread['median']:.0f}", va="center", fontsize=8)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, 1.1 * max(spread["high"] for _, spread in rows))
        axes.set_xlabel(f"round trip of {records[0]['size']} bytes (µs): median of the rounds, and their spread")
        title = f"{records[0]['pair']}. {subtitle(records[0]['environment'])}"
        made.suptitle(title, x=0.01, ha="left", fontsize=8, color=QUIET)
    return made


def placement(found: Placed) -> Figure:
    """Draw for each placement which share of the round trips took at most so long."""
    with figure(2.4) as (made, axes):
        for (name, values), (colour, dash) in zip(found.samples.items(), LINES[::2], strict=False):
            label = f"{name}: {found.medians[name]:.0f} µs"
            axes.ecdf(np.asarray(values), color=colour, linestyle=dash, label=label)
        everything = np.concatenate([np.asarray(values) for values in found.samples.values()])
        axes.set_xlim(float(np.percentile(everything, 0.1)) * 0.95, float(np.percentile(everything, 97)))
        axes.set_xlabel("round trip (µs)")
        axes.set_ylabel("share of the messages")
        axes.legend(loc="lower right", title="median", title_fontsize=8)
        axes.set_title(f"{found.pair}. {subtitle(dict(found.environment))}")
    return made


def _decades(axis: Axis) -> None:
    """Number a logarithmic axis in steps of 1, 2 and 5."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _bytes(size: int) -> str:
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB"
