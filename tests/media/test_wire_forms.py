"""The numbers in docs/wire-ipc.md and docs/wire-mnt.md are those of the code."""

import os
import re
from contextlib import ExitStack
from pathlib import Path

from nsbridge.containers import adapt, queues
from nsbridge.media import ipc, mnt, segments
from nsbridge.media import queues as streams
from nsbridge.media.mnt import Mnt

from .test_contract import opened, read_exactly

DOCS = Path(__file__).parents[2] / "docs"
IPC, MNT = ((DOCS / f"wire-{kind}.md").read_text() for kind in ("ipc", "mnt"))


def number(text: str, pattern: str) -> int:
    """Return the number that stands for `#` in a pattern, which must be in the text once."""
    (found,) = re.findall(pattern.replace("#", r"\**(\d+)\**"), text)
    return int(found)


def test_ipc_keys() -> None:
    factor = number(IPC, r"queue \*K\* · # \| replies")
    last = number(IPC, r"\| queues \*K\* · 32768 \+ 1 to \+ # \|")
    for key in (1, 5566, number(IPC, r"a number \*K\* from 1 to #")):
        assert ipc.replies_key(key) == key * factor
        assert list(ipc.stream_keys(key))[:: last - 1] == [key * factor + 1, key * factor + last]
        ipc.Ipc(key).close()


def test_ipc_messages() -> None:
    assert number(IPC, r"wire form of IPC, version #") == ipc.VERSION
    assert number(IPC, r"\*\*OPEN\*\* to queue \*K\*: `type` #") == ipc.OPEN
    assert number(IPC, r"`type` 1, a body of # bytes") == ipc.REQUEST.size
    assert number(IPC, r"`type` is the token, the body # bytes") == ipc.REPLY.size
    assert number(IPC, r"none, or # bytes: the key of the sender's semaphore") == streams.LIFE.size
    rows = dict(re.findall(r"^\| (\d) \| ([A-Z]+) \|", IPC, re.MULTILINE))
    assert {int(kind): getattr(streams, name) for kind, name in rows.items()} == {kind: kind for kind in range(2, 7)}


def test_ipc_times_and_limits() -> None:
    assert number(IPC, r"nobody has put anything # s") == ipc.PATIENCE
    assert number(IPC, r"no reply after # s") == ipc.PATIENCE
    msgmnb, msgmax = (int(queues.LIMITS[f"kernel.{name}"]) for name in ("msgmnb", "msgmax"))
    assert number(IPC, r"nobody raised them, # and") == msgmnb
    assert number(IPC, r"nobody raised them, 262144 and # in") == msgmax
    assert number(IPC, r"2 · msgmnb: # KiB in a lab") * 1024 == 2 * msgmnb
    assert number(IPC, r"msgmnb / 8: # in a lab") == msgmnb // ipc.REQUEST.size
    assert number(IPC, r"streams of a listener \| #") == len(ipc.stream_keys(1)) // 2


def test_mnt_names_and_sizes() -> None:
    version = number(MNT, r"wire form of MNT, version #")
    assert f"{version}-".encode() == mnt.VERSION
    assert number(MNT, r"a segment has at most\s# bytes") == segments.SEGMENT
    assert "at most **three at once**" in MNT
    assert segments.WINDOW == 3
    assert number(MNT, r"at most # KiB wait in a direction") * 1024 == segments.WINDOW * segments.SEGMENT
    assert number(MNT, r"of 131072 bytes: # KiB") * 1024 == 2 * segments.WINDOW * segments.SEGMENT
    (folder,) = (mount for mount in adapt._MOUNTS if mount["destination"] == adapt.RENDEZVOUS)
    assert f"size={number(MNT, r'a tmpfs of # MiB')}m" in folder["options"]


def test_mnt_descriptors_and_watches(tmp_path: Path) -> None:
    with Mnt(str(tmp_path)) as here, Mnt(str(tmp_path)) as there, here.listen() as listener, ExitStack() as stack:
        for side in opened(there, listener):  # what is there once, whatever the number of streams
            side.close()
        before = held(here), held(there)
        for _ in range(10):
            sides = opened(there, listener)
            for one, other in (sides, sides[::-1]):
                one.write(b"x")
                assert other.read() == b"x"
                stack.enter_context(one)
        after = held(here), held(there)
        to_a_stream = number(MNT, r"descriptors \| # to a stream")
        assert after[0][0] - before[0][0] == 10 * (2 * to_a_stream + 1)  # both sides are in this process, and a lock
        for was, now in zip(before, after, strict=True):
            assert now[1] - was[1] == 10 * number(MNT, r"watches \| # to a stream")
        for one, other in (sides, sides[::-1]):
            for size in [*[segments.SEGMENT] * 3 * segments.WINDOW, 1]:
                one.write(bytes(size))
                assert len(read_exactly(other, size)) == size
        assert held(there)[0] - after[1][0] == 2 * number(MNT, r"and # for the files that a writer of much keeps")


def held(endpoint: Mnt) -> tuple[int, int]:
    """Return how many descriptors this process has, and how many watches an endpoint."""
    told = Path(f"/proc/self/fdinfo/{endpoint.hub._fd}").read_text()
    return len(os.listdir("/proc/self/fd")), told.count("inotify wd:")
