"""A notebook's lab: begun afresh whatever an earlier run has left, and gone when the kernel is."""

from __future__ import annotations

import atexit
import subprocess
import sys

from nsbridge.errors import UsageError
from nsbridge.lab import Lab
from nsbridge.record import labs

_ours: set[str] = set()


def fresh(pair: str, name: str, stamps: bool = False) -> Lab:
    """Return a new lab (see Lab), after one of the same name was taken down; nothing is made yet.

    Raises:
        UsageError: there is no such pair, or the name cannot be one.
    """
    lab = Lab(pair, name, stamps)
    remove(name)
    _ours.add(name)
    return lab


def remove(name: str) -> None:
    """Take down the lab of this name, if there is one, whoever made it."""
    try:
        Lab.find(name).down()
    except UsageError:
        Lab(name=name).down()


@atexit.register
def _leave_nothing() -> None:
    """Take down what a notebook has left up. By then this process can start no threads, so another one does it."""
    for name in _ours.intersection(labs()):
        subprocess.run([sys.executable, "-m", "nsbridge.cli", "down", "--name", name], check=False)
