"""The notebooks' kernel: an IPython kernel that first enters the outer user namespace, where it needs one.

`python -m nsbridge.kernel install` puts its spec into the environment; otherwise its arguments are the kernel's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nsbridge import privilege

NAME = "nsbridge"


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
    privilege.enter(None)
    from ipykernel.kernelapp import launch_new_instance  # noqa: PLC0415 — it starts threads

    launch_new_instance()


if __name__ == "__main__":
    main()
