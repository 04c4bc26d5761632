"""Three ways to another process: an address, a queue's key, a file's path. Offers them or tries them.

`offer ADDRESS PORT KEY PATH` makes what is not there yet, says so, and takes it back at the end of its input;
`try …` prints JSON: for each of net, ipc and mnt the system call and how it ended. Runs in a container, knows none.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import sysv_ipc

_PATIENCE = 2.0  # seconds for a connection


def offer(address: str, port: int, key: int, path: Path) -> None:
    """Have a listener, a queue and a file there until the input ends; say `ready`, and the queue's number."""
    with ExitStack() as made:
        listener = made.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody serves there already
            listener.bind((address, port))
            listener.listen()
        with suppress(sysv_ipc.ExistentialError):
            queue = sysv_ipc.MessageQueue(key, sysv_ipc.IPC_CREX)
            made.callback(queue.remove)
        path.write_text("hello\n")
        made.callback(path.unlink)
        print("ready", sysv_ipc.MessageQueue(key).id, sep="\n", flush=True)
        sys.stdin.read()


def attempt(address: str, port: int, key: int, path: Path) -> dict[str, list[str]]:
    """Return for each way what was called, and `ok` or the error's name and words."""
    return {
        "net": [f"connect({address}, port {port})", _connect(address, port)],
        "ipc": [f"msgget({key})", _msgget(key)],
        "mnt": [f"open({path})", _open(path)],
    }


def _connect(address: str, port: int) -> str:
    try:
        socket.create_connection((address, port), _PATIENCE).close()
    except OSError as error:
        return _words(error.errno)
    return "ok"


def _msgget(key: int) -> str:
    try:
        sysv_ipc.MessageQueue(key)
    except sysv_ipc.ExistentialError:
        return _words(errno.ENOENT)
    except sysv_ipc.PermissionsError:
        return _words(errno.EACCES)
    return "ok"


def _open(path: Path) -> str:
    try:
        path.read_text()
    except OSError as error:
        return _words(error.errno)
    return "ok"


def _words(number: int | None) -> str:
    return f"{errno.errorcode.get(number or 0, 'error')}: {os.strerror(number or 0)}"


def main(words: list[str]) -> None:
    """Take `offer` or `try`, an address, a port, a key and a path."""
    do, address, port, key, path = words
    place = (address, int(port), int(key), Path(path))
    if do == "offer":
        offer(*place)
    else:
        print(json.dumps(attempt(*place)))


if __name__ == "__main__":
    main(sys.argv[1:])
