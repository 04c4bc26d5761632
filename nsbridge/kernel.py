"""The notebooks' kernel: an IPython kernel that first enters the outer user namespace, where it needs one.

`python -m nsbridge.kernel install` puts its spec into the environment; otherwise its arguments are the kernel's.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

from nsbridge import privilege
from nsbridge.alive import Process
from nsbridge.errors import HostError
from nsbridge.record import holder, labs

NAME = "nsbridge"

_LINES: dict[type[BaseException], str] = {
    NameError: "{}; run the cells above first, or mend the spelling",
    KeyboardInterrupt: "the cell was stopped; run it again, or all cells from the first",
}


def install() -> Path:
    """Write the kernel's spec where Jupyter of this environment looks, and return its folder."""
    folder = Path(sys.prefix, "share/jupyter/kernels", NAME)
    folder.mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [sys.executable, "-m", "nsbridge.kernel", "-f", "{connection_file}"],
        "display_name": "nsbridge",
        "language": "python",
        "metadata": {"debugger": False},
    }
    (folder / "kernel.json").write_text(json.dumps(spec, indent=1))
    return folder


def main() -> None:
    """Install the spec, or be a kernel."""
    if sys.argv[1:] == ["install"]:
        print(f"kernel spec in {install()}")
        return
    with suppress(HostError):  # who makes a lab is told, in the notebook
        privilege.enter(_standing())
    # not before: these start threads
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415
    from traitlets.config import Config  # noqa: PLC0415

    # figures that are sharp on paper as well, where a notebook is exported from JupyterLab
    app: Any = IPKernelApp.instance(config=Config({"InlineBackend": {"figure_formats": {"retina"}}}))
    app.initialize()
    import_module("nsbridge.show")  # what every notebook begins with; matplotlib looks for the shell then
    app.shell.set_custom_exc(tuple(_LINES), _in_a_line)
    app.start()


def _standing() -> Process | None:
    """Return who holds the outer user namespace of a lab that is up, if one is: from outside it is out of reach."""
    return next((each for each in map(holder, labs()) if each is not None and each.alive()), None)


def _in_a_line(shell: Any, kind: type[BaseException], error: BaseException, tb: TracebackType, **_: object) -> None:
    """Show what a cell ran into in a line; if a name is missing deeper than in the cell, the whole traceback."""
    innermost = [frame for frame, _ in walk_tb(tb)][-1]
    if kind is KeyboardInterrupt or innermost.f_globals is shell.user_global_ns:
        shell._showtraceback(kind, error, [f"\x1b[1;31m{kind.__name__}\x1b[0m: {_LINES[kind].format(error)}"])
    else:
        shell.showtraceback((kind, error, tb))


if __name__ == "__main__":
    main()
