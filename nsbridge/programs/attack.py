"""What one who has taken a container over might try, to get out or at somebody else. Runs in a container, knows none.

Takes JSON: where the others are, as somebody outside knows it. Prints JSON: `ok` or an error's name for each attempt.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sysv_ipc

Target = dict[str, Any]

_libc = ctypes.CDLL(None, use_errno=True)
_NEWUSER, _NEWNET, _NEWNS = 0x10000000, 0x40000000, 0x00020000
_ATTACH = 16  # PTRACE_ATTACH
_PATIENCE = 2.0  # seconds for a connection
_SYSCALLS = {"x86_64": {"init_module": 175, "kexec_load": 246}, "aarch64": {"init_module": 105, "kexec_load": 104}}


def _call(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _connect(address: tuple[str, int]) -> None:
    socket.create_connection(address, _PATIENCE).close()


def _connect_abstract(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"\0{name}")


def _open_queue(key: int) -> None:
    try:
        sysv_ipc.MessageQueue(key)
    except sysv_ipc.ExistentialError:
        raise OSError(errno.ENOENT, "") from None
    except sysv_ipc.PermissionsError:
        raise OSError(errno.EACCES, "") from None


def _send_by_id(msqid: int) -> None:
    """Send to a queue by its number, and to all the numbers around it that are not of one's own queues."""
    own = {int(row.split()[1]) for row in Path("/proc/sysvipc/msg").read_text().splitlines()[1:]}
    message = (1).to_bytes(ctypes.sizeof(ctypes.c_long), sys.byteorder) + b"intruder"
    for number in {msqid, *range(1000)} - own:
        if _libc.msgsnd(number, message, 8, 0o4000) == 0:
            return
    _call(-1)


def _list_foreign(pid: int) -> None:
    os.listdir(f"/proc/{pid}/root/")


def _add_address(_: Target) -> None:
    """Ask the kernel for an address on lo, by rtnetlink(7)."""
    body = bytes([socket.AF_INET, 24, 0, 0]) + (1).to_bytes(4, sys.byteorder)
    body += (8).to_bytes(2, sys.byteorder) + (2).to_bytes(2, sys.byteorder) + bytes([10, 77, 2, 9])
    head = (16 + len(body)).to_bytes(4, sys.byteorder) + (20).to_bytes(2, sys.byteorder)  # RTM_NEWADDR
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(head + (0x405).to_bytes(2, sys.byteorder) + bytes(8) + body)
        number = -int.from_bytes(sock.recv(4096)[16:20], sys.byteorder, signed=True)
    if number:
        raise OSError(number, os.strerror(number))


def _system_call(name: str) -> Callable[[Target], None]:
    return lambda _: _call(_libc.syscall(_SYSCALLS.get(os.uname().machine, {}).get(name, -1), 0, None, 0, 0))


def _write(path: str) -> Callable[[Target], None]:
    def write(_: Target) -> None:
        with open(path, "wb", buffering=0) as file:
            file.write(b"0")

    return write


def _raise_limits(_: Target) -> None:
    file = next(Path("/sys/fs/cgroup").rglob("pids.max"), None)
    if file is None:
        raise OSError(errno.ENOENT, "there is no such file")
    file.write_text("max")


ATTEMPTS: dict[str, Callable[[Target], object]] = {
    "connect to the other container": lambda t: _connect((t["address"], t["port"])),
    "connect to the host": lambda t: _connect(("127.0.0.1", t["host port"])),
    "connect to the host's abstract socket": lambda t: _connect_abstract(t["host socket"]),
    "sniff the network": lambda _: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "take another's address": _add_address,
    "open the other's queue by key": lambda t: _open_queue(t["key"]),
    "open the host's queue by key": lambda t: _open_queue(t["host key"]),
    "send to the other's queue by number": lambda t: _send_by_id(t["msqid"]),
    "send to the host's queue by number": lambda t: _send_by_id(t["host msqid"]),
    "read the other's file": lambda t: open(t["path"], "rb").close(),
    "read the host's file": lambda t: open(t["host path"], "rb").close(),
    "look through the other's process": lambda t: _list_foreign(t["pid"]),
    "look through the bridge": lambda t: _list_foreign(t["bridge"]),
    "signal the other's process": lambda t: os.kill(t["pid"], 0),
    "signal the bridge": lambda t: os.kill(t["bridge"], 0),
    "trace the bridge": lambda t: _call(_libc.ptrace(_ATTACH, t["bridge"], None, None)),
    "read the bridge's memory": lambda t: open(f"/proc/{t['bridge']}/mem", "rb").close(),
    "read the machine's memory": lambda _: os.read(os.open("/proc/kcore", os.O_RDONLY), 1),
    "become somebody else": lambda _: os.setuid(65534),
    "become root of a new user namespace": lambda _: _call(_libc.unshare(_NEWUSER)),
    "make a network namespace": lambda _: _call(_libc.unshare(_NEWNET)),
    "join a namespace": lambda _: _call(_libc.setns(os.open("/proc/self/ns/mnt", os.O_RDONLY), _NEWNS)),
    "mount": lambda _: _call(_libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
    "change root": lambda _: os.chroot("/run"),
    "make a device": lambda _: os.mknod("/run/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0)),
    "change the host's name": lambda _: socket.sethostname("mine"),
    "set a sysctl": _write("/proc/sys/kernel/core_pattern"),
    "ask for a reboot by key": _write("/proc/sysrq-trigger"),
    "raise its own limits": _raise_limits,
    "change what it runs": _write("/opt/nsbridge/programs/nsbridge/programs/echo.py"),
    "load a module into the kernel": _system_call("init_module"),
    "load another kernel": _system_call("kexec_load"),
}


def answer(attempt: Callable[[Target], object], target: Target) -> str:
    """Return `ok`, or the name of the error in which an attempt ended, which a process of its own makes."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        word = "ok"
        try:
            attempt(target)
        except OSError as error:
            word = errno.errorcode.get(error.errno or 0, str(error))
        finally:
            os.write(writer, word.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        return answer.read()


def main(words: list[str]) -> None:
    """Take the target in JSON."""
    target = json.loads(words[0])
    print(json.dumps({name: answer(attempt, target) for name, attempt in ATTEMPTS.items()}))


if __name__ == "__main__":
    main(sys.argv[1:])
