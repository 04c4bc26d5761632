"""What a stream promises, on every pair, over the real bridge: this test is the client in A and the server in B."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest

from nsbridge.errors import Broken
from nsbridge.media.base import Listener, Medium, Stream

from .inside import Inside
from .place import eventually
from .stage import Stage

MOST = 16 << 20  # bytes that may be on their way in one direction: NET's buffers in the kernel are the largest
QUIET = 0.3  # seconds in which nothing was taken: then the reader's stall has come through to the writer
STEP = bytes(range(256)) * 64


@dataclass
class Across:
    """Both ends of the bridge."""

    a: Inside
    b: Inside
    client: Medium
    listener: Listener
    stage: Stage

    def open(self) -> tuple["End", "End"]:
        """Open a stream through the bridge, and return its two ends."""
        accepted = self.b.start(self.listener.accept)
        here = End(self.a, self.a.do(self.client.connect))
        return here, End(self.b, accepted.result(60))

    def log(self) -> list[str]:
        """What the bridge has logged."""
        return self.stage.lab.log().splitlines()


@dataclass
class End:
    """One end of a stream."""

    side: Inside
    stream: Stream

    def write(self, data: bytes) -> None:
        self.side.do(self.stream.write, data)

    def read(self, size: int) -> bytes:
        """Read so many bytes, or a few more; fewer at the end."""
        data = b""
        while len(data) < size and (piece := self.side.do(self.stream.read)):
            data += piece
        return data

    def end(self) -> None:
        self.side.do(self.stream.end)

    def abort(self) -> None:
        self.side.do(self.stream.abort)

    def close(self) -> None:
        self.side.do(self.stream.close)

    def fill(self) -> int:
        """Write until nothing is taken any more; return how many bytes were."""
        taken, since = 0, time.monotonic()
        while time.monotonic() - since < QUIET and taken <= MOST:
            if step := self.side.do(self.stream.offer, STEP[taken % len(STEP) :]):
                taken, since = taken + step, time.monotonic()
            else:
                time.sleep(0.001)
        return taken

    def sees_the_break(self) -> bool:
        """Read to the end or the break, and return whether it was a break."""
        try:
            while self.side.do(self.stream.read):
                pass
        except Broken:
            return True
        return False


@pytest.fixture(scope="module")
def across(stage: Stage) -> Iterator[Across]:
    with ExitStack() as stack:
        a, b = (stack.enter_context(closing(Inside(stage, side))) for side in ("a", "b"))
        client, server = stack.enter_context(a.medium()), stack.enter_context(b.medium())
        listener = b.do(server.listen)
        stack.callback(b.do, listener.close)
        yield Across(a, b, client, listener, stage)


def finish(*ends: End) -> None:
    """End both directions of a stream, and close it."""
    for end in ends:
        end.end()
    for end in ends:
        assert end.read(1) == b""
    for end in ends:
        end.close()


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_half_close_leaves_the_other_direction_open(across: Across, who: str) -> None:
    here, there = across.open() if who == "client" else reversed(across.open())
    here.write(b"last words")
    here.end()
    assert there.read(100) == b"last words"
    for _ in range(3):
        there.write(STEP)
        assert here.read(len(STEP)) == STEP
    finish(here, there)


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("ended", ["nobody", "the breaker", "the other"])
def test_a_break_is_seen_as_a_break(across: Across, who: str, ended: str) -> None:
    breaker, other = across.open() if who == "client" else reversed(across.open())
    before = len(across.log())
    other.write(b"hello")
    assert breaker.read(5) == b"hello"
    if ended == "the breaker":
        breaker.end()
        assert other.read(1) == b""
    elif ended == "the other":
        other.end()
        assert breaker.read(1) == b""
    breaker.abort()
    if ended == "the breaker":  # its end was true; the break is for who still writes
        with pytest.raises(Broken):
            other.fill()
    else:
        assert other.sees_the_break()
    breaker.close()
    other.close()
    assert eventually(lambda: len(across.log()) > before)
    assert [line.partition(": a stream broke: ")[1] for line in across.log()[before:]] == [": a stream broke: "]


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_stalled_reader_stops_its_own_writer_and_nobody_else(across: Across, who: str) -> None:
    deaf, writer = across.open() if who == "client" else reversed(across.open())
    near, far = across.open()
    taken = writer.fill()
    for number in range(100):
        near.write(b"ping %02d" % number)
        assert far.read(7) == b"ping %02d" % number
        far.write(b"pong")
        assert near.read(4) == b"pong"
    finish(near, far)
    taken += writer.fill()
    assert 0 < taken <= MOST
    print(f"\n{across.stage.lab.pair}: {taken // 1024} KiB on their way to a stalled {who}")
    received = hashlib.sha256(deaf.read(taken)).digest()
    assert received == hashlib.sha256(STEP * (taken // len(STEP)) + STEP[: taken % len(STEP)]).digest()
    finish(deaf, writer)
