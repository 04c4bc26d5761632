"""Tables for a terminal and for a notebook; knows what namespaces are, and no lab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

_WIDTH = 10_000  # columns


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; shows itself on a terminal, in a notebook and in print."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[tuple[int, int]] = frozenset()
    """Cells (row, column) that stand out."""

    def print(self) -> None:
        """Write it to standard output."""
        table = RichTable(box=None, header_style="bold", pad_edge=False)
        for name in self.header:
            table.add_column(name, no_wrap=True)
        for number, row in enumerate(self.rows):
            table.add_row(*(Text(cell, self._style(number, i)) for i, cell in enumerate(row)))
        # as wide as it has to be: the terminal wraps what is wider than itself, where rich would cut it
        Console(width=_WIDTH).print(table, soft_wrap=True)

    def _style(self, row: int, column: int) -> str:
        return "green" if (row, column) in self.marked else ""

    def _repr_markdown_(self) -> str:
        lines = [list(self.header), ["---"] * len(self.header)]
        for number, row in enumerate(self.rows):
            lines.append([f"**{cell}**" if (number, i) in self.marked else cell for i, cell in enumerate(row)])
        return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
