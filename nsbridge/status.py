"""What `nsbridge status` tells of a lab: its parts, their namespaces, and who sees to it; changes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from nsbridge.containers.container import Container
from nsbridge.containers.roles import A, B
from nsbridge.endpoints import endpoint
from nsbridge.errors import NsbridgeError
from nsbridge.media.table import medium
from nsbridge.namespaces import identify
from nsbridge.record import Record


def status(record: Record, a: Container, b: Container, *, running: bool) -> dict[str, Any]:
    """Return it as `nsbridge status --json` shows it; a process that is not there has pid 0 and no namespaces."""
    x, y = record.pair.split("-")
    bridge, supervisor = record.bridge, record.supervisor
    sides = (("a", a, record.a, endpoint(x, A)), ("b", b, record.b, endpoint(y, B, record.port)))
    return {
        "name": a.id.removesuffix(f"-{A.name}"),
        "pair": record.pair,
        "state": "running" if running else "broken",
        **{
            side: {"id": container.id, "pid": pid, "namespaces": _inodes(pid), "endpoint": medium(*words).endpoint()}
            for side, container, pid, words in sides
        },
        "bridge": {
            "pid": bridge.pid if bridge else 0,
            "namespaces": _inodes(bridge.pid if bridge else 0),
            "restarts": record.restarts,
            "reason": record.reason,
        },
        "supervisor": {
            "pid": supervisor.pid if supervisor else 0,
            "alive": supervisor is not None and supervisor.alive(),
        },
    }


def _inodes(pid: int) -> dict[str, int]:
    with suppress(NsbridgeError):
        return {kind.proc: inode for kind, inode in identify(pid).items()} if pid else {}
    return {}
