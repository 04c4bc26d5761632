"""Builds read-only layers once and keeps them in a cache folder; knows nothing of what a layer holds."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nsbridge.errors import UsageError


def folder(path: Path) -> Path:
    """Make `path` and its missing parents, each one searchable by a container's mapped root.

    Raises UsageError where the folder cannot be made or written.
    """
    # Path.exists would raise where a folder may not be searched
    missing = [place for place in (path, *path.parents) if not os.path.exists(place)]
    try:
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            place.chmod(0o755)  # whatever the umask is
    except OSError as error:
        raise _unusable(path, error.strerror) from error
    if not os.path.isdir(path):
        raise _unusable(path, "is not a folder")
    if not os.access(path, os.W_OK | os.X_OK):
        raise _unusable(path, "is not writable")
    return path


def _unusable(path: Path, why: str | None) -> UsageError:
    return UsageError(f"cannot use the folder {path} ({why}): set NSBRIDGE_HOME to a folder of your own")


def layer(cache: Path, name: str, key: str, build: Callable[[Path], None]) -> Path:
    """Return the folder `cache/name-key`; where it is missing, `build` fills it first.

    It appears whole or not at all. Of several builders at the same time one works and the others wait.
    Raises UsageError for an unusable cache, and whatever `build` raises.
    """
    place = cache / f"{name}-{key}"
    if place.is_dir():
        return place
    with _locked(folder(cache)):
        if place.is_dir():
            return place
        partial = cache / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)  # of a builder that was killed
        try:
            partial.mkdir()
            build(partial)
            _make_readable(partial)
            partial.rename(place)
        except OSError as error:
            raise _unusable(cache, error.strerror) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return place


def digest(*parts: object) -> str:
    """Return a short key for values that together identify a layer."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def identity(path: Path) -> str:
    """Return what changes when the file at `path` is replaced (stat(2))."""
    stat = path.stat()
    return f"{path}:{stat.st_size}:{stat.st_mtime_ns}"


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Hold the cache's lock (flock(2)); the kernel gives it back when its holder dies."""
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_readable(root: Path) -> None:
    """Let everybody read, for root of a user namespace is nobody special here."""
    for directory, _, files in os.walk(root):
        Path(directory).chmod(0o755)
        for name in files:
            file = Path(directory, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o111 else 0o644)
