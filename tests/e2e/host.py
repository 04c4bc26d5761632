"""A user of this host who runs `nsbridge`, and what the host tells of their labs; calls no code of nsbridge."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NSBRIDGE = Path(sys.executable).with_name("nsbridge")
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
RUNUSER = shutil.which("runuser") or "runuser"
PATIENCE = 60.0  # seconds
LOGIN_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"  # what a login of an ordinary user of Debian has

Done = subprocess.CompletedProcess[bytes]


@dataclass(frozen=True)
class User:
    """Root or an ordinary user, with a folder for labs of their own."""

    name: str
    home: Path
    """NSBRIDGE_HOME."""
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> bool:
        """Whether it is root."""
        return self.name == "root"

    def argv(self, *words: str | Path) -> list[str]:
        """Return the command line that runs a command as this user."""
        switch = [RUNUSER, "-u", self.name, "--"] if os.geteuid() == 0 and not self.root else []
        return [*switch, *map(str, words)]

    def env(self, **more: str) -> dict[str, str]:
        """Return the environment of this user's commands."""
        path = os.environ["PATH"] if self.root else LOGIN_PATH
        return {"PATH": path, "NSBRIDGE_HOME": str(self.home), "LANG": "C.UTF-8", **self.variables, **more}

    def run(self, *words: str | Path, stdin: bytes = b"", **more: str) -> Done:
        """Run a command as this user, to its end."""
        return subprocess.run(
            self.argv(*words), env=self.env(**more), input=stdin, capture_output=True, timeout=PATIENCE, check=False
        )

    def nsbridge(self, *words: str | Path, stdin: bytes = b"", **more: str) -> Done:
        """Run `nsbridge` as this user, to its end."""
        return self.run(NSBRIDGE, *words, stdin=stdin, **more)

    def begin(self, *words: str | Path, stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """Run `nsbridge` as this user, and go on."""
        return subprocess.Popen(
            self.argv(NSBRIDGE, *words),
            env=self.env(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def up(self, name: str, pair: str, *words: str | Path) -> Done:
        """Make a lab; it must come to be."""
        done = self.nsbridge("up", "--name", name, "--pair", pair, *words)
        assert done.returncode == 0, done.stderr.decode()
        return done

    def status(self, name: str) -> dict[str, Any]:
        """Return what `status --json` tells."""
        found: dict[str, Any] = json.loads(self.nsbridge("status", "--name", name, "--json").stdout)
        return found

    def within(self, pid: int, kind: str, *words: str) -> str:
        """Return what one of the host's commands says inside a namespace of process `pid` (nsenter(1))."""
        outer = [] if self.root else ["--user", "--preserve-credentials"]
        done = self.run("nsenter", "--target", str(pid), *outer, f"--{kind}", *words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def runc(self, *words: str) -> Any:
        """Return the JSON that runc prints; None where it refuses."""
        done = self.run("/usr/sbin/runc", "--root", "/run/runc" if self.root else self.home / "runc", *words)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def traces(self) -> dict[str, list[str]]:
        """Return all that this user's labs have on the host; others' labs may come and go beside them."""
        processes, mounts = [], []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                mounts += [line for line in (place / "mountinfo").read_text().splitlines() if str(self.home) in line]
                if f"NSBRIDGE_HOME={self.home}\0".encode() in (place / "environ").read_bytes() + b"\0":
                    processes.append((place / "cmdline").read_text())
            except OSError:  # it is gone, or somebody else's
                continue
        labs = self.home / "labs"
        return {
            "processes": sorted(processes),
            "mounts": sorted(mounts),
            "labs": sorted(map(str, labs.rglob("*"))) if labs.exists() else [],
            "files": sorted(place.name for place in self.home.iterdir()),
            "queues": Path("/proc/sysvipc/msg").read_text().splitlines(),
            "cgroups": sorted(path for path, _, _ in os.walk("/sys/fs/cgroup") if "/nsbridge-e2e" in path),
            "runc list": self._containers() if self.root or (self.home / "runc").exists() else [],
        }

    def _containers(self) -> list[str]:
        known = self.runc("list", "--format", "json") or []
        return [each["id"] for each in known if each["bundle"].startswith(str(self.home))]


def inodes(pid: int) -> dict[str, int]:
    """Return the namespaces of a process as /proc tells them."""
    return {kind: os.stat(f"/proc/{pid}/ns/{kind}").st_ino for kind in KINDS}


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Return whether the condition came to hold in time."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held


def busybox_root(place: Path) -> Path:
    """Make a root file system with nothing but a busybox in it."""
    (place / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", place / "bin" / "busybox")
    for folder in (place, place / "bin"):
        folder.chmod(0o755)
    return place
