"""A root file system with programs that nobody here wrote, and the examples; knows no lab."""

import re
import shutil
import subprocess
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = ("inotifywait", "flock", "nc", "socat", "curl", "redis-server")
"""The last is there only where somebody installed it."""


def compile_example(name: str, place: Path) -> None:
    """Compile a C example into a folder, without a shared library."""
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-static", "-o", place / name, EXAMPLES / f"{name}.c"],
        check=True,
    )


def make_tools(root: Path) -> Path:
    """Fill a folder with busybox, PROGRAMS with their libraries, and the examples."""
    place = root / "bin"
    place.mkdir(parents=True)
    busybox = place / "busybox"
    shutil.copy(shutil.which("busybox") or "/bin/busybox", busybox)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet not in (*PROGRAMS, "busybox"):
            (place / applet).symlink_to("busybox")
    for program in PROGRAMS:
        if found := shutil.which(program):
            shutil.copy(found, place / program)
            _copy_libraries(found, root)
    for name in ("ipc-client", "ipc-echo"):
        compile_example(name, place)
    for name in ("mnt-client.sh", "mnt-echo.sh"):
        shutil.copy(EXAMPLES / name, place / name)
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
    return root


def _copy_libraries(program: str, root: Path) -> None:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+) \(0x", listed):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(library, target)
