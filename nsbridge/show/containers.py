"""Two containers looked at: their states, their namespaces, their limits, and that one cannot reach the other."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nsbridge.census import census
from nsbridge.containers import cgroups
from nsbridge.containers.container import Container
from nsbridge.containers.roles import B
from nsbridge.containers.runtime import BUSYBOX, python_argv, python_env
from nsbridge.errors import ContainerError, HostError, UsageError
from nsbridge.forms import Lines, Sheet, bold, mono, plain
from nsbridge.lab import Lab
from nsbridge.labs import of_a_lab
from nsbridge.namespaces import Kind
from nsbridge.privilege import rootless
from nsbridge.programs.look import look

_TARGET = (B.address.partition("/")[0], "7", "5566", "/run/nsbridge/hello")
_PATIENCE = 5.0  # seconds for a process to end
_LIMITS = (
    ("memory", "linux.resources.memory.limit", ("memory.max", "memory.limit_in_bytes")),
    ("processes", "linux.resources.pids.limit", ("pids.max",)),
    ("CPU time", "linux.resources.cpu.quota", ("cpu.max", "cpu.cfs_quota_us")),
)


@of_a_lab
def life(lab: Lab) -> Sheet:
    """Lead A through its life with runc, and note after each command what `runc state` says; A is gone afterwards."""
    a, rows = lab.a, []
    if lab.pids()["a"]:
        raise UsageError("container A lives already; to see its life from the start, run all cells again")

    def note(command: str, happened: str) -> None:
        try:
            state = a.state()
        except ContainerError:
            rows.append([mono(command), "none", "none", happened])
            return
        running = Path(f"/proc/{state.pid}/cmdline").read_bytes().split(b"\0")[0].decode() if state.pid else ""
        rows.append([mono(command), bold(state.status), mono(Path(running).name) if running else "none", happened])

    note("(nothing yet)", "the bundle is there, and no more")
    a.create()
    note("runc create", "namespaces and mounts are made; runc's own process waits in them")
    a.start()
    note("runc start", "that process has become the container's program")
    pidfd = os.pidfd_open(a.state().pid)
    a.runc.kill(a.id, signal.SIGKILL)
    select.select([pidfd], [], [], _PATIENCE)
    os.close(pidfd)
    note("runc kill … KILL", "process 1 has ended, and with it all others")
    a.runc.delete(a.id)
    note("runc delete", "cgroup and state are gone; the bundle stays")
    return Sheet(["command", "state", "process 1", "what happened"], rows)


@of_a_lab
def inodes(lab: Lab) -> Sheet:
    """Show the inode number of every namespace of the host, of A and of B, as /proc has it."""
    found = census({"host": "self", **{name: pid for name, pid in lab.pids().items() if name != "bridge"}})
    rows = []
    for kind in Kind:
        numbers = [found[name][kind.proc] for name in ("host", "a", "b")]
        rows.append([bold(kind.name), *map(str, numbers), "none" if len(set(numbers)) == 3 else "some"])
    evidence = {"apart": all(row[-1] == "none" for row in rows)}
    return Sheet(["kind", "host", "A", "B", "in common"], rows, "lrrrl", evidence)


@of_a_lab
def lsns(lab: Lab) -> Lines:
    """Ask another program for the namespaces of A's first process: lsns, of util-linux."""
    if shutil.which("lsns") is None:
        raise HostError("lsns is missing: install it (apt-get install util-linux)")
    argv = ["lsns", "--task", str(lab.pids()["a"]), "--output", "NS,TYPE,NPROCS,PID,COMMAND"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return Lines("\n".join(line[:72].rstrip() for line in done.stdout.splitlines()))


@of_a_lab
def outlook(lab: Lab) -> Sheet:
    """Let the same few lines of Python tell on the host, in A and in B what they see of each kind."""
    with _offered(lab.b):
        views = [look(), _seen(lab.a), _seen(lab.b)]
    rows = [[bold(kind.name), *(plain(view[kind.proc]) for view in views)] for kind in Kind]
    return Sheet(["kind", "host", "A", "B"], rows)


@of_a_lab
def reach(lab: Lab) -> Sheet:
    """Let A try to reach B by address, by key and by path, and B itself, to which all of it is there."""
    with _offered(lab.b):
        found = [_tried(container) for container in (lab.a, lab.b)]
    rows = []
    for kind in ("net", "ipc", "mnt"):
        (call, a), (_, b) = (answers[kind] for answers in found)
        rows.append([bold(kind.upper()), mono(call), f"**{a}**" if a != "ok" else a, b])
    evidence = {"refused": [answers[1].partition(":")[0] for answers in found[0].values()]}
    return Sheet(["kind", "system call", "in A", "in B"], rows, evidence=evidence)


@of_a_lab
def limits(lab: Lab) -> Sheet:
    """Read A's limits back from where the kernel keeps them, beside what config.json asks for."""
    config = json.loads((lab.a.bundle / "config.json").read_text())
    rows = []
    places = [] if rootless() else cgroups.folders(lab.a.id)
    for name, key, files in _LIMITS:
        wanted, file = _dig(config, key), next((p / f for p in places for f in files if (p / f).exists()), None)
        held = mono(file.read_text().strip()) if file else "not limited: that takes root"
        rows.append([name, mono(key), str(wanted or "nothing"), held, mono(file.name) if file else ""])
    for line in Path(f"/proc/{lab.pids()['a']}/limits").read_text().splitlines():
        if line.startswith("Max open files"):
            wanted = next(each["soft"] for each in config["process"]["rlimits"] if each["type"] == "RLIMIT_NOFILE")
            rows.append(
                ["open files", mono("process.rlimits"), str(wanted), mono(line.split()[3]), mono("/proc/PID/limits")]
            )
    return Sheet(["limit", "key in config.json", "asked for", "in force", "read from"], rows)


@of_a_lab
def hit(lab: Lab, most: int = 12) -> Lines:
    """Lower A's limit of processes to `most`, and let a shell in A start forty."""
    if rootless():
        return Lines(
            "Without root there is no cgroup to set a limit in. As root, this cell starts 40 processes in A."
        )
    subprocess.run(lab.a.runc.argv("update", "--pids-limit", str(most), lab.a.id), check=True, capture_output=True)
    script = "n=0; while [ $n -lt 40 ]; do sleep 1 & n=$((n+1)); echo started $n; done; wait"
    argv = lab.a.exec_argv([BUSYBOX, "sh", "-c", script])
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    subprocess.run(lab.a.runc.argv("update", "--pids-limit", "4096", lab.a.id), check=False, capture_output=True)
    return Lines("\n".join([*done.stdout.splitlines()[-3:], *done.stderr.strip().splitlines()[-1:]]))


def _seen(container: Container) -> dict[str, str]:
    argv = container.exec_argv(python_argv("nsbridge.programs.look"), python_env())
    found: dict[str, str] = json.loads(_output(argv))
    return found


def _tried(container: Container) -> dict[str, Any]:
    argv = container.exec_argv(python_argv("nsbridge.programs.reach", "try", *_TARGET), python_env())
    found: dict[str, Any] = json.loads(_output(argv))
    return found


def _output(argv: list[str]) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContainerError(f"a program failed in a container: {done.stderr.strip()[-200:]}")
    return done.stdout


@contextmanager
def _offered(container: Container) -> Iterator[None]:
    """Have all three ways open in a container."""
    argv = container.exec_argv(python_argv("nsbridge.programs.reach", "offer", *_TARGET), python_env())
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if not process.stdout or process.stdout.readline() != "ready\n":
            raise ContainerError(f"{container.id} does not run: start it first (Lab.start)")
        yield
        if process.stdin:
            process.stdin.close()


def _dig(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part, {}) if isinstance(config, dict) else {}
    return config
