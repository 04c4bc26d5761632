"""Prepares the writable layer of a container's root; knows no runc and mounts nothing."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

WRITABLE = {"tmp": 0o1777, "var/tmp": 0o1777, "run": 0o755, "root": 0o700}
"""Folders that belong to the container's root, whatever owns the rest, with their modes."""


def fill(bundle: Path, mounts: Iterable[dict[str, Any]], owner: int, *, writable: bool) -> None:
    """Make in the bundle's `upper` what its `lower` lacks: mount points, and folders to write in.

    In a user namespace the files of the host's root are nobody's, so runc could not make them there.
    `owner` is the host's uid and gid of the container's root.
    """
    upper, lower = bundle / "upper", bundle / "lower"
    for point, source in mount_points(mounts):
        _make(upper, lower, point, file=source is not None and (bundle / source).is_file())
    for place, mode in WRITABLE.items() if writable else ():
        target = _make(upper, lower, PurePosixPath(place))
        if target is not None:
            target.chmod(mode)
            os.chown(target, owner, owner)


def mount_points(mounts: Iterable[dict[str, Any]]) -> Iterator[tuple[PurePosixPath, str | None]]:
    """Yield each mount's place below the root, and what is bound there, if anything.

    What lies within another mount is not ours to make: runc does it once that one is mounted.
    """
    above: list[PurePosixPath] = []
    for mount in mounts:
        place = PurePosixPath(os.path.normpath("/" + mount["destination"]).lstrip("/"))
        if place.parts and not any(place.is_relative_to(other) for other in above):
            above.append(place)
            bound = {"bind", "rbind"} & {*mount.get("options", [])}
            yield place, mount.get("source") if bound else None


def _make(upper: Path, lower: Path, place: PurePosixPath, *, file: bool = False) -> Path | None:
    """Make `place` in `upper` and return it; None where `lower` has no folder on the way there."""
    for depth in range(len(place.parts)):
        within = PurePosixPath(*place.parts[: depth + 1])
        last = depth == len(place.parts) - 1
        # A symbolic link stays one: runc follows it within the root, a folder of ours would hide it.
        if os.path.lexists(lower / within) and ((lower / within).is_symlink() or not (lower / within).is_dir()):
            return None
        target = upper / within
        if not target.exists():
            if last and file:
                target.touch()
            else:
                target.mkdir()
            target.chmod(0o755)
    return upper / place
