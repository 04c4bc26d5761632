"""Finds and removes a container's cgroup folders in every hierarchy; knows no runc."""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PATIENCE = 2.0
"""Seconds until a killed process has left its cgroup."""


def cgroup_path(container: str) -> str:
    """Return the `cgroupsPath` of a container, relative to each hierarchy's root.

    It has no parent of its own, which runc would leave behind and another lab's `up` could lose.
    """
    return f"/nsbridge-{container}"


def hierarchies(mounts: str) -> list[Path]:
    """Return where cgroup v1 and v2 hierarchies are mounted; `mounts` is the text of /proc/self/mounts."""
    fields = (line.split(" ") for line in mounts.splitlines())
    return [Path(field[1]) for field in fields if field[2] in ("cgroup", "cgroup2")]


def folders(container: str) -> list[Path]:
    """Return the container's cgroup folders that exist on this host."""
    roots = hierarchies(Path("/proc/self/mounts").read_text())
    places = [root / cgroup_path(container).lstrip("/") for root in roots]
    return [place for place in places if place.is_dir()]


def remove(places: Iterable[Path]) -> None:
    """Kill what is still in a container's cgroup folders, and remove them with what is below.

    Raises OSError where one is still in use after two seconds.
    """
    for place in places:
        for directory, _, _ in os.walk(place, topdown=False):
            _kill(Path(directory))
            _remove(Path(directory))


def _kill(place: Path) -> None:
    with suppress(OSError):  # the folder or a process is gone already
        for pid in (place / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)


def _remove(place: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return place.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
