from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sysv_ipc

from nsbridge.media.base import Listener, Medium
from nsbridge.media.ipc import Ipc, stream_keys
from nsbridge.media.memory import Memory
from nsbridge.media.mnt import Mnt
from nsbridge.media.net import Net
from nsbridge.media.sysv import keys_in_use


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
    medium = MAKE[request.param](tmp_path)
    yield medium
    if isinstance(medium, Ipc):
        remove_lives(medium.key)


def remove_lives(key: int) -> None:
    """Remove the semaphores of openers: that of this process would stay until another opener comes."""
    for each in set(keys_in_use("sem")).intersection(stream_keys(key)):
        sysv_ipc.Semaphore(each, 0, 0o444).remove()


@pytest.fixture
def client(medium: Medium) -> Medium:
    """The same endpoint, as another process would make it."""
    return Mnt(medium.path) if isinstance(medium, Mnt) else medium


@pytest.fixture
def listener(medium: Medium) -> Iterator[Listener]:
    with medium.listen() as listener:
        yield listener
