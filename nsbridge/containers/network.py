"""Sets up a container's network from outside, through pyroute2; knows nothing of runc."""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nsbridge.errors import HostError

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def preload() -> None:
    """Import pyroute2, which takes longer than all the rest: a caller may do it while runc works."""
    import pyroute2.iproute  # noqa: F401, PLC0415


def configure(pid: int, address: str) -> None:
    """Bring up lo and an eth0 with `address` (IPv4 with its prefix) in the network namespace of `pid`.

    eth0 is one end of a veth(4) pair whose other end, peer0, stays in the same namespace: a subnet that
    leads nowhere. A kernel without veth gets an empty bridge. Raises HostError where the kernel refuses.
    """
    # A thread can join a network namespace alone, and ends with that. pyroute2's own way would fork this
    # process, and its event loop could not run in a notebook's thread, which has one.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(_configure, pid, address).result()


def _configure(pid: int, address: str) -> None:
    from pyroute2.iproute import IPRoute  # noqa: PLC0415
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    local, _, prefix = address.partition("/")
    try:
        _join(Path(f"/proc/{pid}/ns/net"))
        with IPRoute() as ip:
            try:
                ip.link("add", ifname="eth0", kind="veth", peer={"ifname": "peer0"})
            except NetlinkError:
                ip.link("add", ifname="eth0", kind="bridge")
            for link in ip.get_links():
                ip.link("set", index=link["index"], state="up")
                if link.get("ifname") == "eth0":
                    ip.addr("add", index=link["index"], address=local, prefixlen=int(prefix))
    except (NetlinkError, OSError) as error:
        raise HostError(f"cannot set up the network of process {pid} ({error}): see nsbridge preflight") from error


def _join(netns: Path) -> None:
    """Move the calling thread into a network namespace (setns(2))."""
    with netns.open("rb") as file:
        if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(netns))
