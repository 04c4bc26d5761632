"""Whose namespaces the bridge is in, as a table; reads /proc, and knows no step that led there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nsbridge.forms import Sheet, bold
from nsbridge.namespaces import Kind

PEOPLE = {"host": "host", "a": "A", "bridge": "bridge", "b": "B"}
"""Who has a column, by the name that the census knows."""


@dataclass(frozen=True)
class Row:
    """A kind, the inode number that each of PEOPLE has of it (0 for none), and whose the bridge's is."""

    kind: str
    inodes: Mapping[str, int]
    owner: str
    """`A`, `B`, `host`, `its own`, or nothing if there is no bridge."""

    @property
    def marked(self) -> set[str]:
        """The two that share it, if one of them is a container."""
        return {"A": {"a", "bridge"}, "B": {"b", "bridge"}}.get(self.owner, set())

    @property
    def words(self) -> str:
        """With whom the bridge shares it."""
        return {"": "", "its own": "with nobody", "host": "with the host"}.get(self.owner, f"with {self.owner}")


def rows(found: Mapping[str, Mapping[str, int]]) -> list[Row]:
    """Read a census of PEOPLE, a row for each kind."""
    return [_row(kind, {who: found.get(who, {}).get(kind.proc, 0) for who in PEOPLE}) for kind in Kind]


def sheet(table: list[Row]) -> Sheet:
    """Lay it out, with what the bridge shares with A or B in bold."""
    cells = [
        [
            bold(row.kind),
            *(bold(str(inode)) if who in row.marked else str(inode or "-") for who, inode in row.inodes.items()),
            bold(row.words) if row.marked else row.words,
        ]
        for row in table
    ]
    return Sheet(["kind", *PEOPLE.values(), "the bridge shares it"], cells, "lrrrrl")


def _row(kind: Kind, inodes: dict[str, int]) -> Row:
    mine = inodes["bridge"]
    owner = next((name for who, name in PEOPLE.items() if who != "bridge" and inodes[who] == mine), "its own")
    return Row(kind.name, inodes, owner if mine else "")
