"""The layer `runtime`: this host's Python with its loader and libraries; knows no container.

It is mounted read-only at RUNTIME in every container, whatever its root file system holds, so the
interpreter is started through its own loader (ld.so(8)) and looks for nothing outside.
"""

import compileall
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from nsbridge.containers.busybox import busybox
from nsbridge.containers.layers import digest, identity, layer
from nsbridge.containers.programs import PROGRAMS
from nsbridge.errors import HostError

RUNTIME = "/opt/nsbridge/runtime"
"""Where the layer is mounted in every container."""

BUSYBOX = f"{RUNTIME}/bin/busybox"
"""A shell for every container, also for one whose root file system is empty."""

_LOADER = "lib/ld.so"
_SITE = "site"
_LOCALES, _LOCALE = "lib/locale", "C.utf8"
_SITE_MODULES = ("sysv_ipc",)
_LEFT_OUT = (
    *("config-*", "dist-packages", "site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo"),
    *("ensurepip", "lib2to3", "pydoc_data", "venv", "_tkinter*", "_test*", "_ctypes_test*", "xx*"),
    *("*.opt-1.pyc", "*.opt-2.pyc", "*.a"),
)

_WRAPPER = f"""#!{BUSYBOX} sh
exec {RUNTIME}/{_LOADER} --library-path {RUNTIME}/lib {RUNTIME}/bin/python3 "$@"
"""


def runtime(cache: Path) -> Path:
    """Return the layer's folder in `cache`, built at first use (about a second).

    Raises HostError where busybox or a Python package is missing, UsageError for an unusable cache.
    """
    shell, modules = busybox(), _site_modules()
    python = _interpreter()
    key = digest(Path(__file__).read_text(), sys.version, *map(identity, (python, shell, *modules)))
    return layer(cache, "runtime", key, partial(_build, python=python, shell=shell, modules=modules))


def python_argv(module: str, *args: str) -> list[str]:
    """Return the command that runs a module in a container; it needs `python_env` beside it."""
    return [*_python(), "-m", module, *args]


def python_env() -> dict[str, str]:
    """Return the environment variables that the interpreter needs in a container."""
    return {
        "PYTHONHOME": RUNTIME,  # the rootfs may have set another
        "PYTHONPATH": f"{PROGRAMS}:{RUNTIME}/{_SITE}",
        "PYTHONUTF8": "1",
        "LOCPATH": f"{RUNTIME}/{_LOCALES}",  # the rootfs may have none, and a line editor needs one
        "LC_CTYPE": _LOCALE,
    }


def _interpreter() -> Path:
    """Return the interpreter that this environment was made from."""
    major, minor, *_ = sys.version_info
    return Path(sys.base_exec_prefix, "bin", f"python{major}.{minor}").resolve()


def _python() -> list[str]:
    # -P: no module of the working directory, which is the rootfs's; -s -S: no site-packages of its.
    loader = [f"{RUNTIME}/{_LOADER}", "--library-path", f"{RUNTIME}/lib"]
    return [*loader, f"{RUNTIME}/bin/python3", "-P", "-s", "-S"]


def _site_modules() -> list[Path]:
    """Return the files of the packages that programs in a container import."""
    files = []
    for name in _SITE_MODULES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise HostError(f"the Python package {name} is missing: run scripts/setup")
        files.append(Path(spec.origin))
    return files


def _build(root: Path, python: Path, shell: Path, modules: Iterable[Path]) -> None:
    stdlib = Path(sysconfig.get_path("stdlib"))
    target = root / stdlib.relative_to(sys.base_prefix)
    shutil.copytree(stdlib, target, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    for name in ("bin", _SITE):
        (root / name).mkdir()
    for file in modules:
        shutil.copy2(file, root / _SITE)
    shutil.copy2(python, root / "bin" / "python3")
    shutil.copy2(shell, root / "bin" / "busybox")
    wrapper = root / "bin" / "python"
    wrapper.write_text(_WRAPPER)
    wrapper.chmod(0o755)
    if (locale := Path("/usr", _LOCALES, _LOCALE)).is_dir():
        shutil.copytree(locale, root / _LOCALES / _LOCALE)
    _copy_libraries(root, [root / "bin" / "python3", *root.rglob("*.so")])
    # Without __pycache__ each start would compile what it imports, for nobody may write here.
    compileall.compile_dir(root, quiet=2, force=False)


def _copy_libraries(root: Path, objects: Iterable[Path]) -> None:
    """Copy the loader and every shared library that `objects` ask for (ldd(1)) into root/lib."""
    output = subprocess.run(["ldd", *objects], capture_output=True, text=True, check=False).stdout
    libraries = set(map(Path, re.findall(r"=> (/\S+)", output)))
    loader = re.search(r"^\s+(/\S+/ld[-.]\S+)", output, re.MULTILINE)
    if loader is None:
        raise HostError(f"ldd names no loader for {_interpreter()}: use a dynamically linked Python")
    # glibc opens libgcc_s only when a thread is cancelled, so ldd does not name it.
    libraries |= {file.parent / "libgcc_s.so.1" for file in libraries if file.name == "libc.so.6"}
    for library in filter(os.path.exists, libraries):
        shutil.copy2(library, root / "lib" / library.name)
    shutil.copy2(loader[1], root / _LOADER)
