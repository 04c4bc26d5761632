"""A root file system with programs that nobody here wrote, and the examples; knows no lab."""

import re
import shutil
import subprocess
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = {
    **{name: name for name in ("inotifywait", "flock", "nc", "socat", "curl", "git", "redis-benchmark", "redis-cli")},
    "redis-server": "redis-check-rdb",  # one program, which goes by its name; its package starts nothing
}
"""What is in /bin beside busybox's applets, and what it is called on this host."""
_GIT_DAEMON = Path("/usr/lib/git-core/git-daemon")


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
    for name, program in PROGRAMS.items():
        _copy(Path(shutil.which(program) or program), place / name, root)
    _copy(_GIT_DAEMON, root / str(_GIT_DAEMON).lstrip("/"), root)
    for name in ("ipc-client", "ipc-echo"):
        compile_example(name, place)
    for name in ("mnt-client.sh", "mnt-echo.sh"):
        shutil.copy(EXAMPLES / name, place / name)
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
    return root


def _copy(program: Path, target: Path, root: Path) -> None:
    """Copy a program and its libraries."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, target)
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+) \(0x", listed):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(library, target)
