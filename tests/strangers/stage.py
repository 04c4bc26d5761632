"""A lab whose server can be exchanged while it is up, and programs at both of its ends; starts and ends them."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nsbridge.containers.runtime import python_argv, python_env
from nsbridge.lab import Lab

from .place import Place, eventually

_ACCEPT_ONE = (
    "import sys; from nsbridge.media.table import medium; l = medium(*sys.argv[1:]).listen(); l.accept(); l.close()"
)


def first_server(words: list[str]) -> str:
    """Return what `up --server` is to run: it accepts the one stream that `up` opens, and makes room for others."""
    *python, _, _ = python_argv("")
    return f"{' '.join(python)} -c '{_ACCEPT_ONE}' {' '.join(words)}; exec sleep 1000000"


@dataclass(frozen=True)
class Stage:
    """A lab, and what runs in it for a test."""

    lab: Place

    def words(self, side: str) -> list[str]:
        """Return the bridge's endpoint in a container, in words."""
        return [str(field) for field in self.lab.status[side]["endpoint"].values()]

    def root(self, side: str) -> Path:
        """Return a container's files, as the host sees them."""
        return Path(f"/proc/{self.lab.pid(side)}/root")

    def argv(self, side: str, *words: str | Path) -> list[str]:
        """Return the command that runs words in a container."""
        container = getattr(Lab.find(self.lab.name), side)
        return list(container.exec_argv([*map(str, words)], {"PATH": "/bin", **python_env()}))

    def run(self, side: str, *words: str | Path, stdin: bytes = b"", code: int = 0) -> bytes:
        """Run words in a container to their end, and return what they printed."""
        done = subprocess.run(self.argv(side, *words), input=stdin, capture_output=True, check=False, timeout=60)
        assert done.returncode == code, done.stderr.decode() + self.lab.log()
        return done.stdout

    @contextmanager
    def running(self, side: str, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run words in a container until the block is left."""
        pipe = subprocess.PIPE
        with subprocess.Popen(self.argv(side, *words), stdin=pipe, stdout=pipe, stderr=pipe) as process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)  # runc hands it on
                process.communicate(timeout=30)

    @contextmanager
    def gate(self, side: str, *words: str) -> Iterator[None]:
        """Have a gate between two endpoints in a container."""
        first = 3 if words[0] == "net" else 2
        with self.running(side, *python_argv("nsbridge.programs.gate", *words)):
            self.run(side, *python_argv("nsbridge.programs.ready", "--accepts", "20", *words[:first]))
            yield

    def listens(self, side: str, port: int) -> bool:
        """Whether somebody in a container listens on a TCP port, by /proc/PID/net/tcp: without connecting."""
        rows = Path(f"/proc/{self.lab.pid(side)}/net/tcp").read_text().splitlines()[1:]
        return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A" for row in rows)

    @contextmanager
    def serving(self, *words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """Have a server of TCP in B, from the moment it listens on port 7."""
        with self.running("b", *words) as process:
            assert eventually(lambda: self.listens("b", 7) or process.poll() is not None)
            assert process.poll() is None
            yield process
        assert eventually(lambda: not self.listens("b", 7))
