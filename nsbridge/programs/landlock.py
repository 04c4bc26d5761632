"""Takes the file system and the network from this process, but for what it names; knows not what they are for.

Where the kernel has no Landlock, or an older one, less is taken, and `restrict` says so.

Source: landlock(7), landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2).
"""

from __future__ import annotations

import ctypes
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_CONNECT_TCP = 1 << 1
_ALL_TCP = 0b11  # bind, connect
_ALL_SCOPES = 0b11  # abstract UNIX sockets, signals

# How many rights over files each version knows, and when ports and scopes came.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_WITH_PORTS, _WITH_SCOPES = 4, 6


def version() -> int:
    """Return the version of Landlock that this kernel has; 0 for none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def restrict(folder: str | None, port: int | None) -> int:
    """Keep only what lies below `folder` of all files, and of TCP only connecting to `port`; None keeps nothing.

    What is open stays open. The process needs no_new_privs and one thread.

    Returns:
        The version of Landlock that did it; 0 if none could.

    Raises:
        OSError: the kernel has Landlock and refused.
    """
    if not (known := version()):
        return 0
    rights = (1 << _FILE_RIGHTS.get(known, _FILE_RIGHTS[5])) - 1
    ports = _ALL_TCP if known >= _WITH_PORTS else 0
    scopes = _ALL_SCOPES if known >= _WITH_SCOPES else 0
    attributes = struct.pack("=QQQ", rights, ports, scopes)
    # an older kernel takes a longer structure if what it does not know is zero
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        if folder is not None:
            place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
            os.close(place)
        if port is not None and ports:
            _call(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=QQ", _CONNECT_TCP, port), 0)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return known


def _call(number: int, *args: object) -> int:
    result: int = _libc.syscall(number, *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
