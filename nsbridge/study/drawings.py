"""Drawings of who is where and of what goes by whom, from data that was read before; they run nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from nsbridge.namespaces import Kind
from nsbridge.study.style import HAIR, HATCHES, INK, OWNERS, QUIET, bare, figure
from nsbridge.study.trace import Call

Cell = tuple[int, str]
"""An inode number, and whose namespace it is: `host`, `A` or `B`."""


def journey(columns: Mapping[str, Mapping[Kind, Cell]]) -> Figure:
    """Draw a column for each step and a row for each kind; a cell has the colour of who owns the namespace."""
    kinds, names = list(Kind), list(columns)
    with figure(2.75) as (made, axes):
        bare(axes)
        for column, name in enumerate(names):
            end = column in (0, len(names) - 1)
            left = column + (0.12 if column == len(names) - 1 else -0.12 if column == 0 else 0)
            axes.text(left, -0.75, name, ha="center", va="center", color=INK, fontweight="bold" if end else "normal")
            for row, kind in enumerate(kinds):
                inode, owner = columns[name][kind]
                changed = not end and column > 1 and columns[names[column - 1]][kind][0] != inode
                _cell(axes, (left, row), (inode, owner), strong=changed)
        for row, kind in enumerate(kinds):
            axes.text(-0.75, row, kind.name, ha="right", va="center", color=INK)
        for column, owner in enumerate(("host", "A", "B")):
            x = column * 1.9
            axes.add_patch(Rectangle((x, len(kinds) - 0.05), 0.34, 0.5, **_look(owner)))
            axes.text(x + 0.45, len(kinds) + 0.2, f"of {'the ' * (owner == 'host')}{owner}", va="center", color=QUIET)
        axes.set_xlim(-1.6, len(names) - 0.3)
        axes.set_ylim(len(kinds) + 0.6, -1.3)
    return made


def chart(x: str, y: str, inodes: Mapping[str, Mapping[str, int]], ends: tuple[str, str]) -> Figure:
    """Draw A, the bridge and B with the namespaces by which they are joined, and the way that a message goes.

    Args:
        x: the kind shared with A.
        y: the kind shared with B.
        inodes: of `a`, `bridge` and `b`, by kind, as census gives them.
        ends: where the bridge is found in A, and where the server is found in B.
    """
    with figure(2.35) as (made, axes):
        bare(axes)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 38)
        for left, title, words, owner in ((1, "container A", "client", "A"), (73, "container B", "echo server", "B")):
            axes.add_patch(_box((left, 4), 26, 30, owner))
            axes.text(left + 13, 31, title, ha="center", va="center", fontweight="bold", color=INK)
            axes.add_patch(_box((left + 5, 21.5), 16, 6))
            axes.text(left + 13, 24.5, words, ha="center", va="center", color=INK)
        axes.add_patch(_box((36, 15.5), 28, 18.5, "host"))
        axes.text(50, 31, "the bridge, on the host", ha="center", va="center", fontweight="bold", color=INK)
        axes.add_patch(_box((42, 21.5), 16, 6))
        axes.text(50, 24.5, "relay", ha="center", va="center", color=INK)
        for start, stop in ((22, 42), (58, 78)):
            for height, way in ((25.6, "->"), (23.4, "<-")):
                style = {"arrowstyle": way, "color": INK, "linewidth": 1.1}
                axes.annotate("", (stop, height), (start, height), arrowprops=style)
        for left, right, kind, who, end, at in ((6, 50, x, "a", ends[0], 8), (50, 94, y, "b", ends[1], 8)):
            middle = (left + right) / 2 + (-2 if who == "a" else 2)
            label = f"{kind.upper()} {inodes[who][kind]}"
            frame = {"facecolor": "white", "edgecolor": INK, "linewidth": 0.8, "boxstyle": "round,pad=0.35"}
            axes.text(middle, at + 2.3, label, ha="center", fontweight="bold", color=INK, bbox=frame)
            patch = {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.15"}
            axes.text(14 if who == "a" else 86, at - 3.2, end, ha="center", color=QUIET, fontsize=7, bbox=patch)
        axes.plot([47, 36], [15.5, 12.6], color=QUIET, linewidth=0.8)
        axes.plot([53, 64], [15.5, 12.6], color=QUIET, linewidth=0.8)
    return made


def sequence(calls: Sequence[Call], x: str, y: str) -> Figure:
    """Draw the system calls of one message between A's medium, the bridge's threads and B's, in their order."""
    threads = list(dict.fromkeys(call.tid for call in calls))
    lanes = [
        f"{x.upper()} of A",
        *(f"bridge, thread {number + 1}" for number in range(len(threads))),
        f"{y.upper()} of B",
    ]
    sides = _sides(calls)
    with figure(0.9 + 0.36 * max(len(calls), 3)) as (made, axes):
        bare(axes)
        last = len(lanes) - 1
        for column, lane in enumerate(lanes):
            edge = column in (0, last)
            axes.text(
                column, -0.9, lane, ha="center", va="center", fontweight="bold" if edge else "normal", color=INK
            )
            axes.plot([column, column], [-0.5, len(calls) - 0.4], color=HAIR, linewidth=5 if edge else 1.2, zorder=0)
        begin = calls[0].end if calls else 0.0
        for row, (call, side) in enumerate(zip(calls, sides, strict=True)):
            here = 1 + threads.index(call.tid)
            there = 0 if side == "x" else last
            start, stop = (there, here) if _reads(call) else (here, there)
            axes.annotate(
                "", (stop, row), (start, row), arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1}
            )
            note = call.name if not call.slide or call.slide.lower() == call.name else f"{call.name}  ({call.slide})"
            axes.text((here + there) / 2, row - 0.1, note, ha="center", va="bottom", fontsize=7, color=INK,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
            axes.text(
                -0.42, row, f"{(call.end - begin) * 1e6:.0f} µs", ha="right", va="center", color=QUIET, fontsize=7
            )
        axes.set_xlim(-0.75, last + 0.45)
        axes.set_ylim(len(calls) - 0.3, -1.3)
    return made


def _sides(calls: Sequence[Call]) -> list[str]:
    """Tell for each call whether it is made on the medium of X or of Y: the first carries from X, the last to X."""
    if not calls:
        return []
    turn = next((i for i, call in enumerate(calls) if not _reads(call)), len(calls))
    back = next((i for i, call in enumerate(calls) if i > turn and not _reads(call)), len(calls))
    return ["x" if i < turn or i >= back else "y" for i in range(len(calls))]


def _reads(call: Call) -> bool:
    return call.name in ("read", "recvfrom", "msgrcv", "pread64")


def _cell(axes: Axes, place: tuple[float, int], cell: Cell, *, strong: bool) -> None:
    (column, row), (inode, owner) = place, cell
    look = _look(owner) | ({"edgecolor": INK, "linewidth": 1.8, "zorder": 3} if strong else {})
    axes.add_patch(Rectangle((column - 0.46, row - 0.42), 0.92, 0.84, **look))
    style = {"facecolor": OWNERS[owner], "edgecolor": "none", "pad": 0.8}
    weight = "bold" if strong else "normal"
    middle: dict[str, Any] = {"ha": "center", "va": "center"}
    axes.text(column, row, f"…{inode % 10000:04d}", **middle, size=7, color=INK, zorder=4, weight=weight, bbox=style)


def _look(owner: str) -> dict[str, Any]:
    return {"facecolor": OWNERS[owner], "edgecolor": "white", "linewidth": 1.0, "hatch": HATCHES[owner]}


def _box(place: tuple[float, float], width: float, height: float, owner: str = "its own") -> FancyBboxPatch:
    look = _look(owner) | {"edgecolor": QUIET, "linewidth": 0.8, "hatch": ""}
    return FancyBboxPatch(place, width, height, boxstyle="round,pad=0,rounding_size=1.2", **look)
