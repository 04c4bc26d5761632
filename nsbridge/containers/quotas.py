"""How many namespaces and inotify descriptors and watches a container may have; knows no container.

Without these a container could make a user namespace, be root of it, and with that reach what the kernel keeps from
ordinary users; and it could use up what its owner may have, on the host, of inotify.

Source: /proc/sys/user in namespaces(7), user_namespaces(7), inotify(7).
"""

import subprocess
from pathlib import Path

from nsbridge.errors import HostError

_SHARED = {"max_inotify_instances": "max_user_instances", "max_inotify_watches": "max_user_watches"}
_SHARE = 3  # A, B, and all else that their owner has


def quotas() -> dict[str, int]:
    """Return what a container gets, by the name of the file under /proc/sys/user."""
    found = {"max_user_namespaces": 0}
    for name, whole in _SHARED.items():
        found[name] = int(Path("/proc/sys/fs/inotify", whole).read_text()) // _SHARE
    return found


def impose(pid: int, *, rootless: bool) -> None:
    """Give the USER namespace of process `pid` its quotas; HostError where the kernel refuses.

    They are written from inside it, by its root: only that one keeps every capability through execve(2). Where
    `rootless`, that is who calls already, and no other ID can be had.
    """
    script = "; ".join(f"echo {value} >/proc/sys/user/{name} || exit 1" for name, value in quotas().items())
    stay = ["--preserve-credentials"] * rootless
    argv = ["nsenter", "--user", *stay, "--target", str(pid), "sh", "-c", script]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostError(f"cannot limit what process {pid} may have of the kernel: {done.stderr.strip()}")
