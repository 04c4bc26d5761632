"""Who is in which namespace, as a table with the shared cells marked; reads /proc only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from nsbridge.errors import NsbridgeError
from nsbridge.namespaces import Kind, identify
from nsbridge.tables import Table

Subject = int | str | Mapping[Kind, int]
"""A process, or the namespaces that it was seen in."""


def census(subjects: Mapping[str, Subject]) -> dict[str, dict[str, int]]:
    """Return the inode number of every namespace of every subject, by its name and by kind.

    A process that is gone has none.
    """
    found: dict[str, dict[str, int]] = {}
    for name, subject in subjects.items():
        known = subject if isinstance(subject, Mapping) else _seen(subject)
        found[name] = {kind.proc: inode for kind, inode in known.items()}
    return found


def _seen(pid: int | str) -> Mapping[Kind, int]:
    with suppress(NsbridgeError):
        return identify(pid) if pid else {}
    return {}


def table(subjects: Mapping[str, Subject], base: str = "host") -> Table:
    """Lay the census out, a row for each kind; cells of which two processes but `base` share the inode are marked."""
    found = census(subjects)
    rows, marked = [], set()
    for number, kind in enumerate(Kind):
        inodes = {name: found[name].get(kind.proc, 0) for name in found}
        rows.append([kind.name, *(str(inode) if inode else "-" for inode in inodes.values())])
        for column, (name, inode) in enumerate(inodes.items(), 1):
            others = [other for other in inodes if other not in (name, base)]
            if inode and name != base and inode != inodes.get(base) and inode in [inodes[other] for other in others]:
                marked.add((number, column))
    return Table(["kind", *found], rows, frozenset(marked))
