"""Mounts and unmounts a container's root, an overlay over a read-only layer; knows no runc."""

import ctypes
import errno
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from nsbridge.errors import HostError

_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def mount(bundle: Path, *, userxattr: bool) -> None:
    """Mount the bundle's `upper` over its `lower` on its `rootfs` (mount(2)), with `work` beside them.

    The bundle's path is the mount's source, by which everybody can tell whose root it is.
    `userxattr` is needed in a user namespace, where trusted extended attributes are out of reach.
    Raises HostError where the kernel refuses.
    """
    lower = (bundle / "lower").resolve()
    options = f"lowerdir={_escape(lower)},upperdir={_escape(bundle / 'upper')},workdir={_escape(bundle / 'work')}"
    if userxattr:
        options += ",userxattr"
    source, target = os.fsencode(bundle), os.fsencode(bundle / "rootfs")
    if _libc.mount(source, target, b"overlay", 0, os.fsencode(options)) != 0:
        why = os.strerror(ctypes.get_errno())
        raise HostError(f"cannot mount an overlay over {lower} ({why}): see nsbridge preflight")


def unmount(target: Path) -> None:
    """Unmount whatever is mounted on `target`, however often (umount2(2)); nothing is fine, too.

    Raises HostError where the kernel refuses.
    """
    while os.path.ismount(target):
        if _libc.umount2(os.fsencode(target), _MNT_DETACH) != 0:
            number = ctypes.get_errno()
            if number != errno.EINVAL:
                raise HostError(f"cannot unmount {target} ({os.strerror(number)}): do it by hand")


def probe(place: Path, *, userxattr: bool) -> None:
    """Mount an overlay in the folder `place` and take it away; HostError where the kernel refuses."""
    with TemporaryDirectory(dir=place, prefix="probe-") as name:
        bundle = Path(name)
        for part in ("lower", "upper", "work", "rootfs"):
            (bundle / part).mkdir()
        mount(bundle, userxattr=userxattr)
        unmount(bundle / "rootfs")


def _escape(path: Path) -> str:
    """Return a path as overlayfs reads it in its options, where comma and colon mean something."""
    return re.sub(r"([\\,:])", r"\\\1", str(path))
