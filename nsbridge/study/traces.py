"""What labs have on this machine, counted by what the kernel tells; asks no lab.

A lab's processes are known by a mark in the environment that all of them inherit, or by a root file system of ours.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from nsbridge.containers import cgroups
from nsbridge.namespaces import Kind

_MARK = "NSBRIDGE_MARK"


def mark() -> None:
    """Let every process that this one starts from now on be known as ours."""
    os.environ[_MARK] = str(os.getpid())


def traces(home: Path, runc: Path, name: str) -> dict[str, int]:
    """Count what there is of labs whose names begin with `name`, and what this process holds itself.

    Args:
        home: where labs and layers are kept.
        runc: the folder in which runc keeps its state.
        name: what the labs' names begin with.
    """
    place = f"{home}/labs/{name}"
    mounts = [line for line in _lines("/proc/self/mountinfo") if place in line or " - nsfs " in line]
    hierarchies = cgroups.hierarchies(Path("/proc/self/mounts").read_text())
    pids = _ours(place)
    return {
        "containers": len(list(runc.glob(f"{name}*"))),
        "queues": len(_lines("/proc/sysvipc/msg")) - 1,
        "semaphores": len(_lines("/proc/sysvipc/sem")) - 1,
        "mounts": len(mounts),
        "cgroup folders": len([found for root in hierarchies for found in root.rglob(f"nsbridge-{name}*")]),
        "namespaces": len({inode for pid in pids for inode in _namespaces(pid)} - set(_namespaces(os.getpid()))),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "processes": len(pids),
        "files": len(list(home.rglob("*"))),
    }


def _ours(place: str) -> list[int]:
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it is gone, or somebody else's
            marked = f"{_MARK}={os.getpid()}\0".encode() in (proc / "environ").read_bytes()
            if marked or any(place in line for line in _lines(proc / "mountinfo") if line.split()[4] == "/"):
                found.append(int(proc.name))
    return [pid for pid in found if pid != os.getpid()]


def _namespaces(pid: int) -> list[int]:
    found = []
    for kind in Kind:
        with suppress(OSError):
            found.append(os.stat(f"/proc/{pid}/ns/{kind.proc}").st_ino)
    return found


def _lines(file: str | Path) -> list[str]:
    return Path(file).read_text(errors="replace").splitlines()
