"""A thin typed wrapper of the runc command (runc(8)); knows no bundle's content and no lab."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsbridge.errors import ContainerError, HostError

_MISSING = "runc is missing: install it (apt-get install runc)"
_MESSAGE = re.compile(r'level=(?:error|fatal) msg=("(?:[^"\\]|\\.)*"|\S+)')


@dataclass(frozen=True)
class State:
    """What `runc state` tells of a container (OCI runtime spec, "State")."""

    id: str
    pid: int
    """Its init process as the host sees it; 0 once stopped."""
    status: str
    """`creating`, `created`, `running`, `paused` or `stopped`."""
    bundle: Path


@dataclass(frozen=True)
class Runc:
    """The runc of this host with one folder for its state.

    Every method raises HostError where runc is missing, and ContainerError with runc's words where it refuses.
    """

    root: Path
    """The folder where runc keeps what it knows of containers (`--root`)."""
    rootless: bool
    """Whether it runs in a user namespace, where cgroups and other ids are out of reach."""

    def argv(self, *command: str | Path) -> list[str]:
        """Return the command line for a subcommand."""
        return ["runc", "--root", str(self.root), f"--rootless={str(self.rootless).lower()}", *map(str, command)]

    def create(self, container: str, bundle: Path, log: Path) -> int:
        """Make the container and stop short of its program, whose output will go to the file `log`.

        Return the pid of its init process.
        """
        pid_file = bundle / "pid"
        argv = self.argv("create", "--bundle", bundle, "--pid-file", pid_file, container)
        with log.open("wb") as output:
            # Not a pipe: the container holds it as long as it lives.
            status = _run(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)[0]
        if status != 0:
            raise _refusal(f"create {container}", log.read_text(errors="replace"))
        return int(pid_file.read_text())

    def start(self, container: str) -> None:
        """Start the program of a created container."""
        self._call("start", container)

    def state(self, container: str) -> State:
        """Return the container's state; ContainerError where runc does not know it."""
        return _state(json.loads(self._call("state", container)))

    def glance(self, container: str) -> tuple[float, bool]:
        """Return what is another thing once runc has made or started the container; it costs no process."""
        place = self.root / container
        try:
            return (place / "state.json").stat().st_mtime, (place / "exec.fifo").exists()
        except OSError:
            return 0.0, False

    def containers(self) -> list[State]:
        """Return the states of all containers under `root` (`runc list`)."""
        return [_state(entry) for entry in json.loads(self._call("list", "--format", "json")) or []]

    def exec_argv(
        self, container: str, args: Sequence[str], env: Mapping[str, str] | None = None, tty: bool = False
    ) -> list[str]:
        """Return the command that runs `args` in the container, on a terminal of its own with `tty`."""
        variables = [word for name, value in (env or {}).items() for word in ("--env", f"{name}={value}")]
        return self.argv("exec", *["--tty"] * tty, *variables, container, *args)

    def kill(self, container: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to the container's init process."""
        self._call("kill", container, str(number.value))

    def delete(self, container: str, force: bool = False) -> None:
        """Remove a stopped container; with `force`, kill it first, and accept one that does not exist."""
        self._call("delete", *["--force"] * force, container)

    def _call(self, *command: str) -> str:
        status, output, errors = _run(
            self.argv(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        if status != 0:
            raise _refusal(" ".join(command), errors)
        return output


def probe() -> None:
    """Raise HostError where runc is missing."""
    if shutil.which("runc") is None:
        raise HostError(_MISSING)


def version() -> str:
    """Return runc's version, such as `1.1.5`; HostError where runc is missing."""
    output = _run(["runc", "--version"], stdout=subprocess.PIPE)[1]
    return output.split()[2]


def condense(log: str) -> str:
    """Return the last error of what runc wrote to stderr, as one line."""
    messages = _MESSAGE.findall(log)
    if messages:
        return " ".join(_unquote(messages[-1]).split())
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"


def _run(argv: Sequence[str], **streams: Any) -> tuple[int, str, str]:
    """Run runc to its end; return its exit status, stdout and stderr."""
    try:
        done = subprocess.run(argv, **streams, text=True, check=False)
    except FileNotFoundError as error:
        raise HostError(_MISSING) from error
    return done.returncode, done.stdout or "", done.stderr or ""


def _refusal(command: str, log: str) -> ContainerError:
    return ContainerError(f"runc {command}: {condense(log)}")


def _state(entry: Mapping[str, Any]) -> State:
    return State(entry["id"], entry["pid"], entry["status"], Path(entry["bundle"]))


def _unquote(message: str) -> str:
    """Undo logrus's quoting, which is Go's, and near enough JSON's."""
    try:
        return str(json.loads(message))
    except ValueError:
        return message.strip('"')
