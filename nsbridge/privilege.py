"""The one place that knows root from an ordinary user, who gets a user namespace in which to be root.

Source: user_namespaces(7), unshare(2), mount_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path

from nsbridge.alive import Process
from nsbridge.errors import HostError, UsageError
from nsbridge.namespaces import Kind, identify, join

_libc = ctypes.CDLL(None, use_errno=True)
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_ALL_IDS = 65536 + 200000  # ids that the containers' USER namespaces are made of


@cache
def rootless() -> bool:
    """Whether this process has no user IDs to give away: it is not root, or root of an outer namespace only."""
    ids = sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return os.geteuid() != 0 or ids < _ALL_IDS


def home() -> Path:
    """Return the folder for layers and labs: NSBRIDGE_HOME, /var/lib/nsbridge for root, else one of the user's.

    Raises:
        UsageError: an ordinary user has no HOME.
    """
    if given := os.environ.get("NSBRIDGE_HOME"):
        return Path(given).absolute()
    if not rootless():
        return Path("/var/lib/nsbridge")
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state).absolute() / "nsbridge"
    if user := os.environ.get("HOME"):
        return Path(user).absolute() / ".local/state/nsbridge"
    raise UsageError("there is no HOME to keep labs in; set NSBRIDGE_HOME to a folder of your own")


@cache
def host() -> dict[Kind, int]:
    """Return the inode numbers of the namespaces that this process began in, as they were before `enter`."""
    return identify()


def enter(holder: Process | None) -> None:
    """Make an ordinary user's process root of an outer user namespace: the holder's if it lives, else a new one.

    Without it a bridge could not join two containers. Root has no need of it. The process must have one thread.

    Raises:
        HostError: this host forbids user namespaces.
    """
    host()
    if os.geteuid() == 0:
        return
    folder = Path.cwd()
    if holder is not None and holder.alive():
        _join_outer(holder.pid)
    else:
        _make_outer()
    rootless.cache_clear()
    os.chdir(folder)


def reaches(holder: Process | None) -> bool:
    """Whether this process can act on a lab whose outer user namespace, if it has one, is held by `holder`."""
    return holder is None or (holder.alive() and identify(holder.pid)[Kind.USER] == identify()[Kind.USER])


def probe() -> None:
    """Make a user namespace and leave it; whoever is root of this host or of an outer namespace needs two more.

    Raises:
        HostError: this host forbids it, or it did so when this process began, which could not `enter`.
    """
    done = subprocess.run(["/usr/bin/unshare", "--user", "/bin/true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostError(_forbidden(done.stderr.strip().rpartition(": ")[2]))
    if os.geteuid() != 0:
        raise HostError("this process began outside a user namespace: in a notebook, restart the kernel `nsbridge`")


def _join_outer(pid: int) -> None:
    pidfd = os.pidfd_open(pid)
    try:
        join(pidfd, Kind.USER)
        join(pidfd, Kind.MNT)
    finally:
        os.close(pidfd)


def _make_outer() -> None:
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(Kind.USER.value | Kind.MNT.value) != 0:
        raise HostError(_forbidden(os.strerror(ctypes.get_errno())))
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    except OSError as error:
        raise HostError(_forbidden(str(error.strerror))) from None
    if _libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        raise HostError(_forbidden(os.strerror(ctypes.get_errno())))


def _forbidden(reason: str) -> str:
    for name, wanted in (
        ("kernel.apparmor_restrict_unprivileged_userns", 0),
        ("kernel.unprivileged_userns_clone", 1),
        ("user.max_user_namespaces", None),
    ):
        try:
            value = int(Path("/proc/sys", *name.split(".")).read_text())
        except (OSError, ValueError):
            continue
        if value != wanted and (wanted is not None or value == 0):
            fix = f"sudo sysctl {name}={wanted if wanted is not None else 10000}"
            return f"user namespaces are forbidden to you ({reason}): run `{fix}`, or be root"
    return f"user namespaces are forbidden to you ({reason}): allow them in this sandbox, or be root"
