"""Uses up one thing that a container has, holds it until its input ends, and gives it back. Runs in a container.

`WHAT [WHERE …]`; prints `COUNT NAME`, how many it got and the error of the next one, once no more is to be had.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import sysv_ipc

from nsbridge.errors import NsbridgeError
from nsbridge.media import inotify
from nsbridge.media.sysv import largest_message, open_queue
from nsbridge.media.table import medium

Taken = tuple[int, str]
"""How many were to be had, and the name of the error that said that there are no more."""

_NOBODYS = 99  # a message type that has no place in the wire form of IPC
_STILL = 0.05  # seconds for which a stream must have taken nothing
_BLOCK = 1 << 16  # bytes


@contextmanager
def disk(folder: str) -> Iterator[Taken]:
    """Fill the file system of a folder; counts bytes."""
    filler = Path(folder, "filler")
    with filler.open("wb", buffering=0) as file:
        try:
            taken = _until_refused(lambda: file.write(bytes(_BLOCK)))
            yield file.tell(), taken[1]
        finally:
            filler.unlink()


@contextmanager
def queues() -> Iterator[Taken]:
    """Make as many message queues as the IPC namespace may have (kernel.msgmni)."""
    with ExitStack() as made:
        yield _until_refused(lambda: made.callback(sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX).remove))


@contextmanager
def requests(key: str) -> Iterator[Taken]:
    """Fill the queue of a well-known key with what nobody asked for; who serves it must not be running."""
    queue = open_queue(int(key))
    size = min(largest_message(), queue.max_size // 4)
    yield _until_refused(lambda: queue.send(bytes(size), block=False, type=_NOBODYS))


@contextmanager
def stream(*endpoint: str) -> Iterator[Taken]:
    """Fill a stream to an echo server whose echoes nobody reads, until nothing has been taken for a while."""
    with medium(*endpoint).connect() as stream:
        count, deadline = 0, time.monotonic() + _STILL
        while time.monotonic() < deadline:
            if taken := stream.offer(bytes(_BLOCK)):
                count, deadline = count + taken, time.monotonic() + _STILL
            else:
                time.sleep(_STILL / 50)
        yield count, "EAGAIN"


@contextmanager
def events(folder: str) -> Iterator[Taken]:
    """Make more events in a stream's folders than an inotify descriptor keeps (fs.inotify.max_queued_events).

    The witness is a descriptor of its own, which watches the same folders and is not read meanwhile.
    """
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    stream = next(Path(folder, "open").iterdir())
    witness = inotify.init()
    for place in (stream / "up", stream / "down"):
        inotify.add_watch(witness, str(place), inotify.MOVED_TO)
        one, other = place / "x", place / "y"
        one.touch()
        for _ in range(most // 2 + 1):  # the same event twice in a row would count once
            one.rename(other)
            other.rename(one)
        one.unlink()
    os.set_blocking(witness, False)
    last = b""
    with suppress(BlockingIOError):
        while True:
            last = os.read(witness, _BLOCK)
    os.close(witness)
    yield 2 * most, "IN_Q_OVERFLOW" if int.from_bytes(last[-12:-8], sys.byteorder) == inotify.Q_OVERFLOW else "none"


@contextmanager
def instances() -> Iterator[Taken]:
    """Open as many inotify descriptors as a user may have (user.max_inotify_instances)."""
    with ExitStack() as made:
        yield _until_refused(lambda: made.callback(os.close, inotify.init()))


@contextmanager
def watches(folder: str) -> Iterator[Taken]:
    """Watch as many folders as a user may (user.max_inotify_watches); each is a new one in `folder`."""
    with ExitStack() as made:
        fd = inotify.init()
        made.callback(os.close, fd)

        def watch() -> None:
            place = Path(folder, f"watched-{os.urandom(6).hex()}")
            place.mkdir()
            made.callback(place.rmdir)
            inotify.add_watch(fd, str(place), inotify.CREATE)

        yield _until_refused(watch)


@contextmanager
def threads() -> Iterator[Taken]:
    """Start as many threads as there may be."""
    over = threading.Event()
    threading.stack_size(_BLOCK)
    yield _until_refused(lambda: threading.Thread(target=over.wait, daemon=True).start())
    over.set()


STRAINS: dict[str, Callable[..., AbstractContextManager[Taken]]] = {
    "disk": disk,
    "queues": queues,
    "requests": requests,
    "stream": stream,
    "events": events,
    "instances": instances,
    "watches": watches,
    "threads": threads,
}


def _until_refused(take: Callable[[], object]) -> Taken:
    count = 0
    while True:
        try:
            take()
        except OSError as error:
            return count, errno.errorcode[error.errno or errno.ENOSPC]  # sysv_ipc tells of msgmni without a number
        except (sysv_ipc.BusyError, RuntimeError):  # a full queue; no more threads
            return count, "EAGAIN"
        count += 1


def main(words: list[str]) -> int:
    """Take what to use up, and where."""
    try:
        with STRAINS[words[0]](*words[1:]) as (count, name):
            print(count, name, flush=True)
            sys.stdin.read()
    except (NsbridgeError, OSError) as error:
        print(f"strain: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
