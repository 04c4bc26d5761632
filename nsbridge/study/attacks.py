"""A container turned against the other one, against the host and against the bridge: what it tries, and what it gets.

The attempts are programs/attack.py; here is where their targets are, and how each has to end.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import sysv_ipc

from nsbridge.containers.container import Container
from nsbridge.containers.runtime import python_argv, python_env
from nsbridge.errors import ContainerError
from nsbridge.lab import Lab

_PORT, _KEY, _PATH = 7007, 7007, "/run/secret"  # what each container has, for the other to reach
_SOCKET = "nsbridge-host-{pid}"


@dataclass(frozen=True)
class Refusal:
    """How an attempt is made, and how it must end."""

    call: str
    """The system call that decides (section 2 of the manual)."""
    answers: tuple[str, ...]
    """The errors in which it may end."""
    why: str
    """What stands in the way."""


_ALONE = "its own NET namespace"
_QUEUES = "its own IPC namespace"
_PROCESSES = "its own PID namespace"
_FILES = "its own MNT namespace"
_POWERLESS = "no capability"

REFUSALS = {
    "connect to the other container": Refusal("connect", ("ENETUNREACH",), _ALONE),
    "connect to the host": Refusal("connect", ("ECONNREFUSED",), _ALONE),
    "connect to the host's abstract socket": Refusal("connect", ("ECONNREFUSED",), _ALONE),
    "sniff the network": Refusal("socket(AF_PACKET)", ("EPERM",), _POWERLESS),
    "take another's address": Refusal("rtnetlink", ("EPERM",), _POWERLESS),
    "open the other's queue by key": Refusal("msgget", ("ENOENT",), _QUEUES),
    "open the host's queue by key": Refusal("msgget", ("ENOENT",), _QUEUES),
    "send to the other's queue by number": Refusal("msgsnd", ("EINVAL",), _QUEUES),
    "send to the host's queue by number": Refusal("msgsnd", ("EINVAL",), _QUEUES),
    "read the other's file": Refusal("open", ("ENOENT",), _FILES),
    "read the host's file": Refusal("open", ("ENOENT",), _FILES),
    "look through the other's process": Refusal("open(/proc/PID/root)", ("ENOENT",), _PROCESSES),
    "look through the bridge": Refusal("open(/proc/PID/root)", ("ENOENT",), _PROCESSES),
    "signal the other's process": Refusal("kill", ("ESRCH",), _PROCESSES),
    "signal the bridge": Refusal("kill", ("ESRCH",), _PROCESSES),
    "trace the bridge": Refusal("ptrace", ("ESRCH",), _PROCESSES),
    "read the bridge's memory": Refusal("open(/proc/PID/mem)", ("ENOENT",), _PROCESSES),
    "read the machine's memory": Refusal("read(/proc/kcore)", ("EACCES", "EPERM", "ENOENT"), "a masked file"),
    "become somebody else": Refusal("setuid", ("EPERM", "EINVAL"), _POWERLESS),
    "become root of a new user namespace": Refusal("unshare", ("ENOSPC",), "max_user_namespaces is 0"),
    "make a network namespace": Refusal("unshare", ("EPERM",), _POWERLESS),
    "join a namespace": Refusal("setns", ("EPERM",), _POWERLESS),
    "mount": Refusal("mount", ("EPERM",), _POWERLESS),
    "change root": Refusal("chroot", ("EPERM",), _POWERLESS),
    "make a device": Refusal("mknod", ("EPERM",), _POWERLESS),
    "change the host's name": Refusal("sethostname", ("EPERM",), _POWERLESS),
    "set a sysctl": Refusal("open", ("EROFS", "EACCES"), "a read-only mount"),
    "ask for a reboot by key": Refusal("open", ("EROFS", "EACCES", "ENOENT"), "a read-only mount"),
    "raise its own limits": Refusal("open", ("EROFS", "EACCES", "ENOENT"), "a read-only mount"),
    "change what it runs": Refusal("open", ("EROFS",), "a read-only mount"),
    "load a module into the kernel": Refusal("init_module", ("EPERM", "ENOSYS"), _POWERLESS),
    "load another kernel": Refusal("kexec_load", ("EPERM", "ENOSYS"), _POWERLESS),
}


def attack(lab: Lab, side: str) -> dict[str, str]:
    """Let a process in container `a` or `b` try everything; return how each attempt ended: `ok`, or an error's name.

    Raises:
        ContainerError: the containers do not run.
    """
    own, other = (lab.a, lab.b) if side == "a" else (lab.b, lab.a)
    pids = lab.pids()
    with _offered_by(other) as theirs, _offered_by_host() as hosts:
        target = {**theirs, **hosts, "pid": pids[other.role.name], "bridge": pids["bridge"]}
        argv = own.exec_argv(python_argv("nsbridge.programs.attack", json.dumps(target)), python_env())
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContainerError(f"the attacker failed in {own.id}: {done.stderr.strip()[-200:]}")
    found: dict[str, str] = json.loads(done.stdout)
    return found


@contextmanager
def _offered_by(container: Container) -> Iterator[dict[str, Any]]:
    """Have an address, a queue and a file in a container, which answer to those inside."""
    address = container.role.address.partition("/")[0]
    words = ("offer", address, str(_PORT), str(_KEY), _PATH)
    argv = container.exec_argv(python_argv("nsbridge.programs.reach", *words), python_env())
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if not process.stdout or process.stdout.readline() != "ready\n":
            raise ContainerError(f"{container.id} does not run: start it first (Lab.start)")
        msqid = int(process.stdout.readline())
        yield {"address": address, "port": _PORT, "key": _KEY, "msqid": msqid, "path": _PATH}
        process.communicate()


@contextmanager
def _offered_by_host() -> Iterator[dict[str, Any]]:
    """Have the same on the host, and an abstract socket."""
    with ExitStack() as made:
        listener = made.enter_context(socket.create_server(("0.0.0.0", 0)))  # noqa: S104 — to be found if it can be
        name = _SOCKET.format(pid=os.getpid())
        abstract = made.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0{name}")
        abstract.listen()
        queue = sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX)
        made.callback(queue.remove)
        file = made.enter_context(tempfile.NamedTemporaryFile(prefix="nsbridge-"))
        yield {
            "host port": listener.getsockname()[1],
            "host socket": name,
            "host key": queue.key,
            "host msqid": queue.id,
            "host path": file.name,
        }
