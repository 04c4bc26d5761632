"""Who is in which namespace, as a table with the shared cells marked; reads /proc only."""

from __future__ import annotations

from collections.abc import Mapping

from nsbridge.errors import NsbridgeError
from nsbridge.namespaces import Kind, identify
from nsbridge.tables import Table


def census(pids: Mapping[str, int | str]) -> dict[str, dict[str, int]]:
    """Return the inode number of every namespace of every process, by its name and by kind.

    A process that is gone has none.
    """
    found: dict[str, dict[str, int]] = {}
    for name, pid in pids.items():
        try:
            found[name] = {kind.proc: inode for kind, inode in identify(pid).items()} if pid else {}
        except NsbridgeError:
            found[name] = {}
    return found


def table(pids: Mapping[str, int | str], base: str = "host") -> Table:
    """Lay the census out, a row for each kind; cells of which two processes but `base` share the inode are marked."""
    found = census(pids)
    rows, marked = [], set()
    for number, kind in enumerate(Kind):
        inodes = {name: found[name].get(kind.proc, 0) for name in found}
        rows.append([kind.name, *(str(inode) if inode else "-" for inode in inodes.values())])
        for column, (name, inode) in enumerate(inodes.items(), 1):
            others = [other for other in inodes if other not in (name, base)]
            if inode and name != base and inode != inodes.get(base) and inode in [inodes[other] for other in others]:
                marked.add((number, column))
    return Table(["kind", *found], rows, frozenset(marked))
