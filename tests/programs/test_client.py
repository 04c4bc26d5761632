"""The client against an echo server, and against servers that do worse; no container is needed for that."""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import pytest

from nsbridge.errors import Broken, StreamError
from nsbridge.media.base import Stream
from nsbridge.media.table import medium
from nsbridge.programs.outstanding import Outstanding

Done = subprocess.CompletedProcess[bytes]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    return ["mnt", str(tmp_path)]


@pytest.fixture
def echo(words: list[str]) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-m", "nsbridge.programs.echo", *words]) as server:
        run("ready", "10", *words)
        yield
        server.terminate()
    assert server.returncode == 0


@pytest.fixture
def serve(words: list[str]) -> Iterator[Callable[..., None]]:
    """Serves each stream that comes with the next of some functions."""
    with medium(*words).listen() as listener:

        def turns(*functions: Callable[[Stream], None]) -> None:
            def run_them() -> None:
                with suppress(Broken):  # the listener is closed
                    for function in functions:
                        with listener.accept() as stream:
                            function(stream)

            threading.Thread(target=run_them, daemon=True).start()

        yield turns


def run(program: str, *words: str, stdin: bytes = b"") -> Done:
    argv = [sys.executable, "-m", f"nsbridge.programs.{program}", *words]
    return subprocess.run(argv, input=stdin, capture_output=True, timeout=60, check=False)


def whole(stream: Stream) -> bytes:
    return b"".join(iter(stream.read, b""))


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize("mode", [(), ("--raw",)])
@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\n\n\0\n", b"no newline", b"\xff\xfe\r\n\r", bytes(range(256)) * 40_000], ids=len
)
def test_what_went_out_comes_back(words: list[str], mode: tuple[str, ...], data: bytes) -> None:
    done = run("client", *mode, *words, stdin=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


def test_raw_shows_whatever_is_answered(words: list[str], serve: Callable[..., None]) -> None:
    def shout(stream: Stream) -> None:
        stream.write(whole(stream).upper())
        stream.end()

    serve(shout)
    done = run("client", "--raw", *words, stdin=b"loud\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"LOUD\n", b"")


def test_a_line_that_comes_back_changed_is_named(words: list[str], serve: Callable[..., None]) -> None:
    def garble(stream: Stream) -> None:
        stream.write(whole(stream).replace(b"two", b"TWO"))
        stream.end()

    serve(garble)
    done = run("client", *words, stdin=b"one\ntwo\nthree\n")
    assert done.returncode == 1
    assert done.stderr == b"client: line 2 came back changed\n"
    assert b"TWO" not in done.stdout


def test_what_was_lost_in_a_break_is_sent_again_and_shown_once(words: list[str], serve: Callable[..., None]) -> None:
    seen: list[bytes] = []

    def answer_one_line(stream: Stream) -> None:
        seen.append(whole(stream))
        stream.write(b"one\ntw")
        stream.abort()

    def answer_all(stream: Stream) -> None:
        seen.append(whole(stream))
        stream.write(seen[-1])
        stream.end()

    serve(answer_one_line, answer_all)
    done = run("client", *words, stdin=b"one\ntwo\nthree")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"one\ntwo\nthree", b"")
    assert seen[0] == b"one\ntwo\nthree"
    assert seen[0].endswith(seen[1])


def test_a_raw_stream_that_breaks_is_the_end(words: list[str], serve: Callable[..., None]) -> None:
    serve(Stream.abort)
    done = run("client", "--raw", *words, stdin=b"x")
    assert done.returncode == 1
    assert done.stderr.startswith(b"client: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("where", [["net", "127.0.0.1", "1"], ["mnt", "/nonexistent"]])
def test_where_nobody_serves_it_says_so(where: list[str]) -> None:
    done = run("client", "--raw", *where)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"client: ")
    assert done.stderr.count(b"\n") == 1


def test_a_service_that_is_gone_for_good_is_given_up() -> None:
    done = run("client", "net", "127.0.0.1", "1", stdin=b"x\n")
    assert done.returncode == 1
    assert b"for 10 s" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("where", [["fly"], ["net", "127.0.0.1"], ["ipc", "key"], ["mnt", "/", "more"]])
@pytest.mark.parametrize("program", ["client", "echo"])
def test_an_endpoint_that_is_none_is_refused(program: str, where: list[str]) -> None:
    done = run(program, *where)
    assert done.returncode == 1
    assert b"write net ADDRESS PORT, ipc KEY or mnt PATH" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_lines_that_did_not_come_back_are_numbered() -> None:
    outstanding = Outstanding()
    assert outstanding.missing() is None
    outstanding.add(b"one\ntwo\r2\n\nfo")
    outstanding.settle(b"one\nt")
    assert outstanding.rest() == b"wo\r2\n\nfo"
    assert outstanding.missing() == r"lines 2 to 4 did not come back, beginning with 'wo\r2'"
    with pytest.raises(StreamError, match="line 2 came back changed"):
        outstanding.check(b"W")
    outstanding.settle(b"wo\r2\n\n")
    assert outstanding.missing() == "line 4 did not come back, beginning with 'fo'"
    outstanding.settle(b"fo")
    assert outstanding.missing() is None


HURRIED = (
    "import sys, nsbridge.programs.client as client;"
    "client.SILENCE, client._GLANCE, client.PROMPTLY = 0.4, 0.05, 0.1;"
    "sys.exit(client.main(sys.argv[1:]))"
)


def test_who_hears_nothing_for_too_long_is_told_which_lines(words: list[str], serve: Callable[..., None]) -> None:
    over = threading.Event()

    def one_line(stream: Stream) -> None:
        stream.write(stream.read()[:6])
        over.wait(30)

    serve(one_line)
    argv = [sys.executable, "-c", HURRIED, *words]
    done = subprocess.run(argv, input=b"first\nsecond\nthird\n", capture_output=True, timeout=60, check=False)
    over.set()
    assert (done.returncode, done.stdout) == (1, b"first\n")
    assert b"no echo for 0 s; lines 2 to 3 did not come back, beginning with 'second'" in done.stderr


def test_a_service_that_swallows_lines_is_told_of(words: list[str], serve: Callable[..., None]) -> None:
    def swallow(stream: Stream) -> None:
        whole(stream)
        stream.end()

    serve(*[swallow] * 1000)
    argv = [sys.executable, "-c", HURRIED, *words]
    done = subprocess.run(argv, input=b"first\nsecond\n", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"lines 1 to 2 did not come back, beginning with 'first'" in done.stderr


@pytest.mark.parametrize("mode", [(), ("--raw",)])
def test_lines_go_out_while_echoes_are_outstanding(
    words: list[str], serve: Callable[..., None], mode: tuple[str, ...]
) -> None:
    heard: SimpleQueue[bytes] = SimpleQueue()
    answer = threading.Event()

    def hold_back(stream: Stream) -> None:
        for _ in range(5):
            heard.put(stream.read())
        answer.wait(30)
        stream.write(b"".join(b"%d\n" % number for number in range(5)))
        whole(stream)
        stream.end()

    serve(hold_back)
    argv = [sys.executable, "-m", "nsbridge.programs.client", *mode, *words]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None
        for number in range(5):
            os.write(client.stdin.fileno(), b"%d\n" % number)
            assert heard.get(timeout=30) == b"%d\n" % number
        answer.set()
        assert client.communicate(timeout=30)[0] == b"0\n1\n2\n3\n4\n"
    assert client.returncode == 0


def test_a_person_may_type_on_while_an_echo_is_outstanding(words: list[str], serve: Callable[..., None]) -> None:
    def answer_both(stream: Stream) -> None:
        heard = b""
        while not heard.endswith(b"two\n"):
            heard += stream.read()
        stream.write(heard)
        whole(stream)
        stream.end()

    serve(answer_both)
    screen, far = pty.openpty()
    hurried = HURRIED.replace("0.4", "20")
    with subprocess.Popen([sys.executable, "-c", hurried, *words], stdin=far, stdout=far, stderr=far) as client:
        os.close(far)
        for shown, typed in ((b"> ", b"one\n"), (b"> ", b"two\n"), (b"one\r\ntwo\r\n> ", b"\x04")):
            seen = b""
            while shown not in seen:
                seen += os.read(screen, 1000)
            os.write(screen, typed)
        assert client.wait(30) == 0
    os.close(screen)


@pytest.mark.usefixtures("echo")
def test_who_takes_time_to_look_is_not_told_that_nothing_came(words: list[str]) -> None:
    data = bytes(range(256)) * 4000
    argv = [sys.executable, "-c", HURRIED, *words]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stderr is not None
        feeder = threading.Thread(target=lambda: (client.stdin.write(data), client.stdin.close()))  # type: ignore[union-attr]
        feeder.start()
        threading.Event().wait(1.5)  # more than enough: nobody reads what comes back, and a pipe holds little
        came = client.stdout.read()
        feeder.join()
        assert (client.wait(30), came, client.stderr.read()) == (0, data, b"")
