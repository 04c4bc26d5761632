"""A notebook's lab: begun afresh whatever an earlier run has left, and gone when the kernel is."""

from __future__ import annotations

import atexit
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from nsbridge import privilege
from nsbridge.containers import runc
from nsbridge.errors import UsageError
from nsbridge.lab import Lab
from nsbridge.record import holder, labs

P = ParamSpec("P")
T = TypeVar("T")

_ours: set[str] = set()


def fresh(pair: str, name: str, stamps: bool = False) -> Lab:
    """Return a new lab (see Lab), after one of the same name was taken down; nothing is made yet.

    Raises:
        UsageError: there is no such pair, or the name cannot be one.
        HostError: this host lacks runc, or forbids user namespaces.
    """
    lab = Lab(pair, name, stamps)
    for probe in (runc.probe, privilege.probe):
        probe()
    remove(name)
    _ours.add(name)
    return lab


@contextmanager
def together(*making: Callable[[], Lab]) -> Iterator[list[Lab]]:
    """Have several labs, made at the same time and taken down at the same time.

    Raises what the first that fails raises; then none is left.
    """
    with ThreadPoolExecutor() as pool:
        made = [pool.submit(make) for make in making]
        try:
            yield [each.result() for each in made]
        finally:
            list(pool.map(Lab.down, [each.result() for each in made if each.exception() is None]))


def of_a_lab(look: Callable[Concatenate[Lab, P], T]) -> Callable[Concatenate[Lab, P], T]:
    """Let a function that looks at a lab say in a line if that lab is not there."""

    @wraps(look)
    def checked(lab: Lab, /, *args: P.args, **options: P.kwargs) -> T:
        lab.must_exist()
        return look(lab, *args, **options)

    return checked


def again(name: str) -> Lab | None:
    """Return the lab of this name if it runs, whoever made it, and is within reach; else take down what is left."""
    try:
        lab = Lab.find(name)
    except UsageError:
        remove(name)
        return None
    if not (privilege.reaches(holder(name)) and lab.running()):
        lab.down()
        return None
    if not lab.supervised():
        lab.supervise()
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
