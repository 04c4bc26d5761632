"""What every medium promises, tried on each of them."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nsbridge.errors import Broken, Refused, StreamError, UsageError
from nsbridge.media import life
from nsbridge.media.base import Listener, Medium, Stream, pump
from nsbridge.media.ipc import Ipc, stream_keys
from nsbridge.media.memory import Memory
from nsbridge.relay import Relay

from .conftest import MAKE, as_client

Pair = tuple[Stream, Stream]


def both(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Run two functions at once; raise what either raised."""
    errors: list[BaseException] = []

    def guard() -> None:
        try:
            first()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=guard, daemon=True)
    thread.start()
    second()
    thread.join(60)
    assert not thread.is_alive()
    if errors:
        raise errors[0]


def opened(client: Medium, listener: Listener) -> Pair:
    """Open a stream; return the client's side and the server's."""
    sides: dict[str, Stream] = {}
    both(
        lambda: sides.update(server=listener.accept()),
        lambda: sides.update(client=client.connect()),
    )
    return sides["client"], sides["server"]


@pytest.fixture
def pair(client: Medium, listener: Listener) -> Iterator[Pair]:
    here, there = opened(client, listener)
    with here, there:
        yield here, there


def read_all(stream: Stream) -> bytes:
    return b"".join(iter(stream.read, b""))


def write_for_long(stream: Stream) -> None:
    for _ in range(100000):
        stream.write(b"x" * 1000)


def read_exactly(stream: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = stream.read()
        assert piece, "an early end"
        data += piece
    return data


@pytest.mark.parametrize("data", [b"x", b"\0", b"\n", b"\xff" * 127, "grüß 世界 🌍\n".encode(), bytes(range(256))])
def test_bytes_arrive_as_they_were_written(pair: Pair, data: bytes) -> None:
    client, server = pair
    client.write(data)
    assert read_exactly(server, len(data)) == data
    server.write(data)
    assert read_exactly(client, len(data)) == data


@pytest.mark.parametrize(
    "size", [0, 1, 127, 128, 129, 2047, 2048, 2049, 8191, 8192, 8193, 16384, 16385, 65536, 65537, 1 << 20, 1 << 24]
)
def test_any_size_in_both_directions_at_once(pair: Pair, size: int) -> None:
    up, down = random.Random(size).randbytes(size), random.Random(size + 1).randbytes(size)
    seen: dict[str, bytes] = {}

    def side(stream: Stream, name: str, outgoing: bytes) -> None:
        def send() -> None:
            stream.write(outgoing)
            stream.end()

        both(send, lambda: seen.__setitem__(name, hashlib.sha256(read_all(stream)).digest()))

    both(lambda: side(pair[0], "down", up), lambda: side(pair[1], "up", down))
    assert seen == {"up": hashlib.sha256(up).digest(), "down": hashlib.sha256(down).digest()}


def test_many_small_writes_stay_in_order(pair: Pair) -> None:
    client, server = pair
    lines = [b"%d\n" % number for number in range(20000)]

    def send() -> None:
        for line in lines:
            client.write(line)
        client.end()

    both(send, lambda: None if read_all(server) == b"".join(lines) else pytest.fail("the order changed"))


def test_end_of_one_direction_leaves_the_other_open(pair: Pair) -> None:
    client, server = pair
    client.write(b"question")
    client.end()
    assert read_all(server) == b"question"
    assert server.read() == b""
    server.write(b"answer")
    server.end()
    assert read_all(client) == b"answer"
    assert client.read() == b""


def test_end_of_the_servers_direction_leaves_the_clients_open(pair: Pair) -> None:
    client, server = pair
    server.end()
    assert client.read() == b""
    client.write(b"still here")
    assert read_exactly(server, 10) == b"still here"


def test_end_twice_is_end_once(pair: Pair) -> None:
    client, server = pair
    client.end()
    client.end()
    assert server.read() == b""
    server.write(b"x")
    assert client.read() == b"x"


def test_ended_data_survives_the_clients_close(pair: Pair) -> None:
    client, server = pair
    server.end()
    assert client.read() == b""
    client.write(b"last words")
    client.end()
    client.close()
    assert read_all(server) == b"last words"


@pytest.mark.parametrize("who", [0, 1])
def test_a_break_is_never_an_end(pair: Pair, who: int) -> None:
    breaker, other = pair[who], pair[1 - who]
    breaker.abort()
    with pytest.raises(Broken):
        read_all(other)
    with pytest.raises(Broken):
        write_for_long(other)
    for stream in pair:
        with pytest.raises(Broken):
            stream.end()


@pytest.mark.parametrize("who", [0, 1])
def test_a_break_after_the_others_end_is_seen_by_the_writer(pair: Pair, who: int) -> None:
    breaker, writer = pair[who], pair[1 - who]
    breaker.end()
    assert writer.read() == b""
    breaker.abort()
    with pytest.raises(Broken):
        write_for_long(writer)


@pytest.mark.parametrize("who", [0, 1])
def test_abort_wakes_a_waiting_reader_here_and_there(pair: Pair, who: int) -> None:
    threads: list[threading.Thread] = []
    seen: list[type[StreamError]] = []

    def wait(stream: Stream) -> None:
        try:
            stream.read()
        except StreamError as error:
            seen.append(type(error))

    for stream in pair:
        threads.append(threading.Thread(target=wait, args=(stream,), daemon=True))
        threads[-1].start()
    threads[0].join(0.05)
    pair[who].abort()
    for thread in threads:
        thread.join(20)
    assert seen == [Broken, Broken]


@pytest.mark.parametrize("who", [0, 1])
def test_abort_wakes_a_writer_whose_reader_stalls(pair: Pair, who: int) -> None:
    writer = pair[0]
    seen: list[StreamError] = []

    def fill() -> None:
        try:
            writer.write(bytes(1 << 26))
        except StreamError as error:
            seen.append(error)

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive(), "the window has no bound"
    pair[who].abort()
    thread.join(20)
    assert len(seen) == 1


def test_a_stalled_reader_stops_its_writer_and_nobody_else(client: Medium, listener: Listener) -> None:
    stalled, deaf = opened(client, listener)
    quick, server = opened(client, listener)
    with stalled, deaf, quick, server:
        taken = 0
        while step := stalled.offer(bytes(4096)):
            taken += step
        assert 0 < taken <= 1 << 24
        for _ in range(100):
            quick.write(b"ping")
            assert read_exactly(server, 4) == b"ping"
        both(lambda: stalled.write(b"on"), lambda: read_exactly(deaf, taken + 2))


def test_nobody_serves(medium: Medium) -> None:
    with pytest.raises(Refused):
        medium.connect()


def test_a_closed_listener_refuses(medium: Medium) -> None:
    medium.listen().close()
    with pytest.raises(Refused):
        medium.connect()


def test_closing_the_listener_wakes_accept(medium: Medium) -> None:
    listener = medium.listen()
    woken: list[Broken] = []

    def wait() -> None:
        try:
            listener.accept()
        except Broken as error:
            woken.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(0.05)
    listener.close()
    thread.join(20)
    assert len(woken) == 1


def test_an_endpoint_is_served_once(medium: Medium, listener: Listener) -> None:
    with pytest.raises(UsageError):
        medium.listen()


def test_streams_carry_into_each_other_as_an_echo(client: Medium, listener: Listener) -> None:
    done = threading.Event()

    def echo() -> None:
        stream = listener.accept()

        def finish(_: str | None) -> None:
            stream.close()
            done.set()

        stream.carry(stream, finish)

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    data = random.Random(1).randbytes(3 << 20)
    with client.connect() as stream:

        def send() -> None:
            stream.write(data)
            stream.end()

        both(send, lambda: None if read_all(stream) == data else pytest.fail("the echo differs"))
    assert done.wait(20)


def test_a_relay_carries_bytes_ends_and_closes(client: Medium, listener: Listener) -> None:
    inner = Memory()
    with inner.listen() as door:
        ended = threading.Event()
        outer_client, outer_server = opened(client, listener)
        Relay(outer_server, inner.connect(), lambda reason: ended.set() if reason is None else None)
        server = door.accept()
        outer_client.write(b"through")
        assert read_exactly(server, 7) == b"through"
        outer_client.end()
        assert server.read() == b""
        server.write(b"back")
        server.end()
        assert read_all(outer_client) == b"back"
        outer_client.close()
        assert ended.wait(20)


def test_a_relay_carries_a_break(client: Medium, listener: Listener) -> None:
    inner = Memory()
    with inner.listen() as door:
        reasons: list[str | None] = []
        ended = threading.Event()
        outer_client, outer_server = opened(client, listener)

        def finish(reason: str | None) -> None:
            reasons.append(reason)
            ended.set()

        Relay(outer_server, inner.connect(), finish)
        door.accept().abort()
        with pytest.raises(Broken):
            read_all(outer_client)
        outer_client.close()
        assert ended.wait(20)
        assert reasons[0]


def test_a_relay_names_the_cause_of_a_break(client: Medium, listener: Listener) -> None:
    inner = Memory()
    with inner.listen() as door:
        reasons: list[str | None] = []
        for _ in range(20):
            outer_client, outer_server = opened(client, listener)
            Relay(outer_server, inner.connect(), reasons.append)
            door.accept()
            outer_client.abort()
            outer_client.close()
        wait_until(lambda: len(reasons) == 20)
        cause = {"net": "net: Connection reset by peer", "memory": "the stream was broken off"}
        default = f"{client.kind}: the other side broke the stream off"
        assert set(reasons) == {cause.get(client.kind, default)}


def test_pump_says_why_it_stopped(pair: Pair) -> None:
    client, server = pair
    client.end()
    reasons: list[str | None] = []
    pump(server, server, reasons.append)
    assert reasons == [None]
    assert client.read() == b""


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def held() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


@pytest.mark.parametrize("kind", list(MAKE))
def test_a_medium_that_is_closed_has_given_back_all_that_it_held(kind: str, tmp_path: Path) -> None:
    before = held()  # what other tests began may end meanwhile
    with MAKE[kind](tmp_path) as medium, medium.listen() as listener, as_client(medium) as client:
        here, there = opened(client, listener)
        with here, there:
            here.write(b"hello")
            assert there.read() == b"hello"
    wait_until(lambda: all(now <= was for now, was in zip(held(), before, strict=True)))
    assert all(now <= was for now, was in zip(held(), before, strict=True)), (held(), before)


@pytest.mark.parametrize("kind", ["net", "ipc", "mnt"])
def test_a_process_that_is_killed_is_a_break_except_on_net(kind: str, tmp_path: Path) -> None:
    with MAKE[kind](tmp_path) as medium, medium.listen() as listener:
        words = [kind, *map(str, list(medium.endpoint().values())[1:])]
        code = (
            "import sys; from nsbridge.media.table import medium; stream = medium(*sys.argv[1:]).connect();"
            "stream.write(b'last words'); print(flush=True); sys.stdin.read()"
        )
        argv = [sys.executable, "-c", code, *words]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as opener:
            stream = listener.accept()
            assert opener.stdout is not None
            opener.stdout.readline()
            assert stream.read() == b"last words"
            opener.kill()
            opener.wait()
            if kind == "net":
                assert stream.read() == b""
            else:
                with pytest.raises(Broken):
                    stream.read()
            stream.close()
    if isinstance(medium, Ipc):  # the next opener removes the semaphore of one that was killed
        life.end(life.begin_one_of(stream_keys(medium.key)))
