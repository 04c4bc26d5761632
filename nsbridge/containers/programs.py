"""The layer `programs`: the part of nsbridge that runs inside containers; knows no container."""

import py_compile
import shutil
from functools import partial
from pathlib import Path

from nsbridge.containers.layers import digest, layer

PROGRAMS = "/opt/nsbridge/programs"
"""Where the layer is mounted in every container."""

_PACKAGE = Path(__file__).parents[1]
_FILES = ("__init__.py", "errors.py", "relay.py", "media/*.py", "programs/*.py")


def programs(cache: Path) -> Path:
    """Return the layer's folder in `cache`, built anew whenever one of the files has changed.

    Raises UsageError for an unusable cache.
    """
    files = sorted(file for pattern in _FILES for file in _PACKAGE.glob(pattern))
    key = digest(*((file.relative_to(_PACKAGE), file.read_text()) for file in files))
    return layer(cache, "programs", key, partial(_build, files=files))


def _build(root: Path, files: list[Path]) -> None:
    for file in files:
        target = root / _PACKAGE.name / file.relative_to(_PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        # The layer's name vouches for the content, so a start need not look at the source again.
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(target), dfile=_inside(root, target), doraise=True, invalidation_mode=mode)


def _inside(root: Path, target: Path) -> str:
    """Return the name that tracebacks show."""
    return f"{PROGRAMS}/{target.relative_to(root)}"
