"""Finds this host's static busybox and lists its applets; knows nothing of layers."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from nsbridge.errors import HostError


@cache
def busybox() -> Path:
    """Return the path of the host's static busybox.

    Raises HostError where there is none, or only one that needs shared libraries.
    """
    found = shutil.which("busybox")
    if found is None:
        raise HostError("busybox is missing: install it (apt-get install busybox-static)")
    file = Path(found).resolve()
    if _interpreter(file.read_bytes()[:4096]):
        raise HostError(f"{file} is not static: install one that is (apt-get install busybox-static)")
    return file


def applets(file: Path) -> list[str]:
    """Return the places of busybox's commands in a root file system, such as `usr/bin/awk`."""
    done = subprocess.run([file, "--list-full"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HostError(f"{file} does not run ({done.stderr.strip()}): reinstall busybox-static")
    return done.stdout.split()


def _interpreter(head: bytes) -> bool:
    """Tell whether an ELF file's head names a loader (PT_INTERP, elf(5))."""
    return b"/ld-" in head
