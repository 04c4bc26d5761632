"""Commands run in a lab's containers by runc, without the lab's help."""

from __future__ import annotations

import json
from dataclasses import dataclass

from nsbridge.containers.runtime import python_argv, python_env

from .host import User

PYTHON = python_argv("")[:-2]


@dataclass(frozen=True)
class Inside:
    """The containers of a lab, to run commands in by runc itself."""

    user: User
    name: str

    def inside(self, side: str, *argv: str) -> list[str]:
        """Return the command line that runs a command in a container."""
        root = "/run/runc" if self.user.root else self.user.home / "runc"
        variables = [word for name, value in python_env().items() for word in ("--env", f"{name}={value}")]
        outer = []
        if not self.user.root:
            pid = json.loads((self.user.home / "labs" / self.name / "lab.json").read_text())["holder"]["pid"]
            outer = ["nsenter", "--user", "--preserve-credentials", "--mount", "--target", str(pid)]
        rootless = f"--rootless={str(not self.user.root).lower()}"
        runc = ["/usr/sbin/runc", "--root", str(root), rootless, "exec", *variables, f"{self.name}-{side}", *argv]
        return self.user.argv(*outer, *runc)
