"""The forms in which things show themselves in a notebook and in print; knows nothing of their content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

EVIDENCE = "application/vnd.nsbridge.evidence+json"
"""The MIME type under which an output carries facts for the report's first page."""

_WIDEST = 72  # characters that count when columns share a page's width
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|$~^#@])")


def mono(text: str) -> str:
    """Return markdown for `text` as it is, in the font of code."""
    if not text:
        return ""
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    edge = " " if text.startswith("`") or text.endswith("`") else ""
    # a table's cells are told apart first, so a bar needs its backslash even here
    return f"{ticks}{edge}{text}{edge}{ticks}".replace("|", "\\|")


def plain(text: str) -> str:
    """Return markdown for `text` as it is."""
    return _SPECIAL.sub(r"\\\1", text)


def bold(text: str) -> str:
    """Return markdown that lets `text` stand out."""
    return f"**{plain(text)}**" if text else ""


@dataclass(frozen=True)
class Sheet:
    """A table whose cells are markdown; `align` has a letter a column, of `l`, `r` and `c`."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return the table as a pipe table whose columns are as wide as what they hold."""
        widths = [
            min(max(3, *(len(_bare(row[i])) for row in (self.header, *self.rows))), _WIDEST) for i in self._columns
        ]
        dashes = {"l": ":{}-", "r": "-{}:", "c": ":{}:", "": "-{}-"}
        rule = [
            dashes[self.align[i] if i < len(self.align) else "l"].format("-" * (width - 2))
            for i, width in zip(self._columns, widths, strict=True)
        ]
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.header, rule, *self.rows))

    def __repr__(self) -> str:
        """Return the table as text."""
        rows = [[_bare(cell) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(len(row[i]) for row in rows) for i in self._columns]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    @property
    def _columns(self) -> range:
        return range(len(self.header))

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        shown: dict[str, Any] = {"text/markdown": self.markdown(), "text/plain": repr(self)}
        return shown | ({EVIDENCE: dict(self.evidence)} if self.evidence else {})


@dataclass(frozen=True)
class Lines:
    """Text as a terminal shows it, with ANSI's colours."""

    text: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return the text."""
        return self.text

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        shown: dict[str, Any] = {"text/plain": self.text}
        return shown | ({EVIDENCE: dict(self.evidence)} if self.evidence else {})


def dim(text: str) -> str:
    """Return `text` in a terminal's grey."""
    return f"\x1b[90m{text}\x1b[0m"


def strong(text: str) -> str:
    """Return `text` in a terminal's bold."""
    return f"\x1b[1m{text}\x1b[0m"


def _bare(cell: str) -> str:
    """Return a cell without its marks; between backticks only a bar is escaped."""
    parts = re.split("`+", cell)
    return "".join(
        part.replace("\\|", "|") if index % 2 else re.sub(r"\\(.)", r"\1", part.replace("**", ""))
        for index, part in enumerate(parts)
    )
