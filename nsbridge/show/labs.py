"""A notebook's lab: begun afresh whatever an earlier run has left, and gone when the kernel is."""

from __future__ import annotations

import atexit

from nsbridge.errors import UsageError
from nsbridge.lab import Lab


def fresh(pair: str, name: str) -> Lab:
    """Return a new lab, after one of the same name was taken down; nothing is made yet.

    Raises:
        UsageError: there is no such pair, or the name cannot be one.
    """
    lab = Lab(pair, name)
    remove(name)
    atexit.register(lab.down)
    return lab


def remove(name: str) -> None:
    """Take down the lab of this name, if there is one, whoever made it."""
    try:
        Lab.find(name).down()
    except UsageError:
        Lab(name=name).down()
