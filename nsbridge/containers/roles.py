"""The two roles of a lab, A and B, as a table; knows nothing of how a container is made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """What sets one container of a lab apart from the other."""

    name: str
    """Its part of the container id, its hostname, and its template's folder in `bundles/`."""
    id_base: int
    """The host's uid and gid that is root in the container's user namespace, where root made it.

    The same for every lab: the role sets A and B apart, and labs are set apart by their namespaces.
    """
    address: str
    """The IPv4 address of eth0 with its prefix; the two subnets differ."""


A = Role("a", id_base=100_000, address="10.77.1.1/24")
B = Role("b", id_base=200_000, address="10.77.2.1/24")
