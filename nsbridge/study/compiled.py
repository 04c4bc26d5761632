"""The C programs of this folder, compiled at first use; knows not what they do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from nsbridge import privilege
from nsbridge.containers.layers import digest, layer
from nsbridge.errors import NsbridgeError


def compiled(name: str) -> Path | None:
    """Return the program made of `NAME.c`, without shared libraries; None where there is no compiler.

    Raises:
        NsbridgeError: the compiler refused it.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source = Path(__file__).with_name(f"{name}.c")

    def build(folder: Path) -> None:
        argv = [compiler, "-O2", "-static", "-pthread", "-o", str(folder / name), str(source)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NsbridgeError(f"{compiler} cannot compile {source.name}: {done.stderr.strip().splitlines()[0]}")

    return layer(privilege.home() / "layers", name, digest(source.read_text()), build) / name
