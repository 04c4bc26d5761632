"""How figures look: one style for all, told apart in grey as well; knows no data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 6.2
"""Inches, the width of a report's text."""

INK, QUIET, HAIR = "#1f2933", "#5f6b76", "#c9d0d6"
OWNERS = {"host": "#e4e7ea", "A": "#a9c6e8", "B": "#f5d39b", "its own": "#ffffff"}
HATCHES = {"host": "", "A": "////", "B": "....", "its own": ""}
SHADES = ("#dfe7f0", "#a9c6e8", "#f5d39b", "#fbeed6")
"""Fillings of a bar's parts, by their number."""
LINES = (
    ("#1f3a5f", "-"), ("#1f3a5f", "--"), ("#b5651d", "-"), ("#b5651d", "--"), ("#4a7c59", "-"), ("#4a7c59", "--"),
)  # fmt: skip
"""Colour and dash of a line, by its number."""

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlecolor": QUIET,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": HAIR,
    "grid.linewidth": 0.4,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "hatch.linewidth": 0.4,
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
}


@contextmanager
def figure(height: float, columns: int = 1, **options: Any) -> Iterator[tuple[Figure, Any]]:
    """Give a figure of the report's width and its axes (an array for more than one)."""
    with plt.rc_context(cast("Any", _STYLE)):
        made, axes = plt.subplots(1, columns, figsize=(WIDTH, height), **options)
        try:
            yield made, axes
        finally:
            plt.close(made)  # else the notebook would show it twice


def bare(axes: Axes) -> None:
    """Take away all that is there to read numbers from."""
    axes.set_axis_off()
    axes.grid(visible=False)


def subtitle(environment: dict[str, Any]) -> str:
    """Return the machine in which something was measured, in a line."""
    return (
        f"{environment['machine']}, {environment['cores']} cores, Linux {environment['kernel']}, "
        f"Python {environment['python']}, runc {environment['runc']}"
    )
