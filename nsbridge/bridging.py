"""Starts a bridge process and takes its steps; knows two pids and two endpoints, and no lab."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from nsbridge.containers.processes import environment
from nsbridge.errors import NsbridgeError, UsageError
from nsbridge.namespaces import Kind, identify

_MUCH = 1 << 19  # bytes
STEPS = ("open", "join x", "join y", "attach", "confine", "serve")


class BridgeProcess:
    """A bridge between the moment it is started and the moment it serves by itself."""

    def __init__(self, log: Path) -> None:
        """Start the process, which imports what it needs and waits; its messages are appended to `log`.

        What earlier ones wrote there is thrown away when it has become much: a bridge may write only so far.
        """
        self._log = log
        self._due = list(STEPS)
        with log.open("wb" if log.exists() and log.stat().st_size > _MUCH else "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "nsbridge.programs.bridge"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                env=environment(log.parent),
                cwd="/",
            )

    @property
    def pid(self) -> int:
        """The process, as the host sees it."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def order(self, a: int, b: int, x: list[str], y: list[str], stamps: bool = False) -> None:
        """Tell it its two processes, its two endpoints in words, as for media.table, and whether to note times."""
        self._say(json.dumps({"a": a, "b": b, "x": x, "y": y, "stamps": stamps}))

    def step(self, name: str) -> dict[Kind, int]:
        """Take the next of STEPS and return the namespaces that the bridge is in afterwards.

        Raises:
            UsageError: another one is next, or the bridge has ended.
            NsbridgeError: the bridge could not take it, and has ended.
        """
        if self._process.returncode is not None:
            raise UsageError("this bridge has ended: make the lab anew; in a notebook, run all cells again")
        if name not in self._due[:1]:
            due = self._due[0] if self._due else "none, for it serves"
            raise UsageError(f"the bridge's next step is {due}, not {name}; go on there, or run all cells again")
        self._say(name)
        answer = self._process.stdout.readline() if self._process.stdout else ""
        if not answer:
            self.end()
            last = self._log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise NsbridgeError(f"the bridge died at the step {name!r}: {last or 'it was killed'}")
        if error := json.loads(answer)["error"]:
            self.end()
            raise NsbridgeError(f"the bridge could not take the step {name!r}: {error}")
        self._due.pop(0)
        return identify(self.pid)

    def end(self) -> None:
        """Kill it if it still runs, and reap it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _say(self, line: str) -> None:
        if self._process.stdin is not None and self._process.poll() is None:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
