from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nsbridge.media.base import Listener, Medium
from nsbridge.media.ipc import Ipc
from nsbridge.media.memory import Memory
from nsbridge.media.mnt import Mnt
from nsbridge.media.net import Net


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


MAKE: dict[str, Callable[[Path], Medium]] = {
    "memory": lambda _: Memory(),
    "net": lambda _: Net("127.0.0.1", free_port()),
    "ipc": lambda _: Ipc(int.from_bytes(os.urandom(2)) | 1),
    "mnt": lambda folder: Mnt(str(folder)),
}


@pytest.fixture(params=list(MAKE))
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Medium]:
    with MAKE[request.param](tmp_path) as medium:
        yield medium


def as_client(medium: Medium) -> Medium:
    """Return the same endpoint, as another process would make it."""
    return Mnt(medium.path) if isinstance(medium, Mnt) else medium


@pytest.fixture
def client(medium: Medium) -> Iterator[Medium]:
    """The same endpoint, as another process would make it."""
    with as_client(medium) as client:
        yield client


@pytest.fixture
def listener(medium: Medium) -> Iterator[Listener]:
    with medium.listen() as listener:
        yield listener
