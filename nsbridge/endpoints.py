"""Where the bridge finds a medium in a container of a lab, in words, as media.table takes them; knows no process."""

from __future__ import annotations

from nsbridge.containers.roles import Role

ECHO = 7
"""TCP port, RFC 862."""


def endpoint(kind: str, role: Role, port: int = ECHO) -> list[str]:
    """Return, in words, where the bridge's side of `kind` is found in the container of `role`."""
    return {
        "net": ["net", role.address.partition("/")[0], str(port)],
        "ipc": ["ipc", "5566"],
        "mnt": ["mnt", "/run/nsbridge"],
    }[kind]
