"""The limits of message queues that a container's IPC namespace gets; knows no container.

Source: sysvipc(7), ipc_namespaces(7).
"""

import subprocess
from functools import cache

LIMITS = {"kernel.msgmax": "65536", "kernel.msgmnb": "262144"}
"""Bytes of the largest message, and of all in one queue: eight and sixteen times what the kernel gives."""

_TRY = "; ".join(f"echo {value} >/proc/sys/{name.replace('.', '/')} || exit 1" for name, value in LIMITS.items())


@cache
def limits() -> dict[str, str]:
    """Return the sysctls that may be set: LIMITS, or none where root of a user namespace may not (before Linux 6)."""
    argv = ["unshare", "--user", "--map-root-user", "--ipc", "sh", "-c", _TRY]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return {}
    return {} if done.returncode else LIMITS
