"""What this host can do and what is missing, each with its fix; makes nothing that stays."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nsbridge import privilege
from nsbridge.containers import overlay, runc
from nsbridge.containers.busybox import busybox
from nsbridge.containers.layers import folder
from nsbridge.errors import NsbridgeError
from nsbridge.namespaces import Kind

NEEDED, USEFUL = "needed", "useful"


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    weight: str
    """NEEDED: the lab cannot run without it. USEFUL: something is less good without it."""
    detail: str
    """What was found, or what to do."""


def look() -> list[Finding]:
    """Look at everything, in the order in which a person would mend it."""
    return [_find(name, weight, check) for name, weight, check in _CHECKS]


def _find(name: str, weight: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, weight, check())
    except NsbridgeError as error:
        return Finding(name, False, weight, str(error))
    except OSError as error:
        return Finding(name, False, weight, f"cannot be looked at: {error}")


def _python() -> str:
    return f"Python {sys.version.split()[0]}"


def _runc() -> str:
    return f"runc {runc.version()}"


def _busybox() -> str:
    return str(busybox())


def _who() -> str:
    privilege.enter(None)
    privilege.probe()
    return "root" if not privilege.rootless() else "an ordinary user, in a user namespace of the lab's own"


def _namespaces() -> str:
    missing = [kind.name for kind in Kind if not Path(f"/proc/self/ns/{kind.proc}").exists()]
    if missing:
        raise NsbridgeError(f"this kernel lacks the namespaces {', '.join(missing)}: use a kernel of a distribution")
    return "all seven kinds"


def _home() -> str:
    return str(folder(privilege.home()))


def _overlay() -> str:
    overlay.probe(folder(privilege.home()), userxattr=privilege.rootless())
    return "overlay mounts work"


def _queues() -> str:
    limits = {name: int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("msgmax", "msgmnb", "msgmni")}
    return ", ".join(f"{name} {value}" for name, value in limits.items())


def _inotify() -> str:
    watches = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    if watches < 4096:
        raise NsbridgeError("few inotify watches: run `sudo sysctl fs.inotify.max_user_watches=65536`")
    return f"{watches} watches"


def _packages() -> str:
    names = ("sysv_ipc", "pyroute2", "pyprctl", "pyseccomp", "rich", "nbconvert", "typst", "pypandoc")
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise NsbridgeError(f"Python packages are missing ({', '.join(missing)}): run scripts/setup")
    return f"{len(names)} of {len(names)}"


def _cgroups() -> str:
    if privilege.rootless():
        raise NsbridgeError("limits of memory, tasks and CPU are root's: run as root to have them")
    return "cgroup v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "cgroup v1"


def _lsns() -> str:
    if (found := shutil.which("lsns")) is None:
        raise NsbridgeError("lsns is missing, which the notebooks show: install util-linux")
    return found


def _cores() -> str:
    return f"{len(os.sched_getaffinity(0))} cores"


_CHECKS: list[tuple[str, str, Callable[[], str]]] = [
    ("python", NEEDED, _python),
    ("packages", NEEDED, _packages),
    ("runc", NEEDED, _runc),
    ("busybox", NEEDED, _busybox),
    ("user", NEEDED, _who),
    ("namespaces", NEEDED, _namespaces),
    ("home", NEEDED, _home),
    ("overlay", NEEDED, _overlay),
    ("message queues", NEEDED, _queues),
    ("inotify", NEEDED, _inotify),
    ("cgroups", USEFUL, _cgroups),
    ("lsns", USEFUL, _lsns),
    ("cores", USEFUL, _cores),
]
