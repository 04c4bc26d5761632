"""Which medium belongs to which kind of namespace."""

from __future__ import annotations

from collections.abc import Callable

from nsbridge.errors import UsageError
from nsbridge.media.base import Medium
from nsbridge.media.ipc import Ipc
from nsbridge.media.mnt import Mnt
from nsbridge.media.net import Net

MEDIA: dict[str, Callable[..., Medium]] = {
    "net": lambda address, port: Net(address, int(port)),
    "ipc": lambda key: Ipc(int(key)),
    "mnt": Mnt,
}


def medium(*words: str) -> Medium:
    """Make a medium of words, as a command line has them: `net ADDRESS PORT`, `ipc KEY`, `mnt PATH`.

    Raises:
        UsageError: there is no such kind, or its fields are others.
    """
    try:
        kind, *fields = words
        return MEDIA[kind](*fields)
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"no endpoint: {' '.join(words)!r}; write net ADDRESS PORT, ipc KEY or mnt PATH") from None
