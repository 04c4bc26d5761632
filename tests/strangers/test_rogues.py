"""Strangers who misbehave at one end of a real bridge, while an honest client talks all along.

Each costs the bridge one stream and one line of its log, and nobody else anything.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import pytest

from nsbridge.containers.runtime import python_argv
from nsbridge.errors import StreamError
from nsbridge.media.base import Medium
from nsbridge.pairs import PAIRS

from . import rogue_clients, rogue_servers
from .inside import Inside
from .place import eventually
from .stage import Stage

ROUNDS = 10  # of the honest client, before and after each misdeed
CLIENTS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "net": (rogue_clients.NetClient, rogue_clients.NET),
    "ipc": (rogue_clients.IpcClient, rogue_clients.IPC),
    "mnt": (rogue_clients.MntClient, rogue_clients.MNT),
}
SERVERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "net": (rogue_servers.NetServer, rogue_servers.NET),
    "ipc": (rogue_servers.IpcServer, rogue_servers.IPC),
    "mnt": (rogue_servers.MntServer, rogue_servers.MNT),
}


class Honest:
    """A client who goes on talking with the server, in a thread of its own."""

    def __init__(self, endpoint: Medium) -> None:
        self.stream = endpoint.connect()
        self.rounds = 0
        self.fault: str | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def goes_on(self) -> bool:
        """Whether some more rounds come to pass."""
        goal = self.rounds + ROUNDS
        return eventually(lambda: self.fault is not None or self.rounds >= goal) and self.fault is None

    def close(self) -> None:
        self._over.set()
        self._thread.join(20)

    def _talk(self) -> None:
        try:
            while not self._over.wait(0.001):
                word = os.urandom(100)
                self.stream.write(word)
                echo = self.stream.read()
                while len(echo) < len(word) and (piece := self.stream.read()):
                    echo += piece
                assert echo == word
                self.rounds += 1
            self.stream.end()
            assert self.stream.read() == b""
            self.stream.close()
        except Exception as error:
            self.fault = repr(error)


@dataclass
class Scene:
    """A lab, a place in it for the rogue, and an honest client."""

    stage: Stage
    place: Inside
    honest: Honest

    def log(self) -> list[str]:
        """What the bridge has logged."""
        return self.stage.lab.log().splitlines()

    @contextmanager
    def misdeed(self, reason: str) -> Iterator[None]:
        """See to it that what is done costs the bridge one line of its log, with this reason in it."""
        assert self.honest.goes_on(), self.honest.fault
        before = len(self.log())
        yield
        assert eventually(lambda: len(self.log()) > before)
        assert self.honest.goes_on(), self.honest.fault
        (line,) = self.log()[before:]
        assert line.startswith(("bridge: a stream broke: ", "bridge: a stream was turned away: "))
        assert reason in line


AnyScene = TypeVar("AnyScene", bound=Scene)
Play = Callable[[Callable[[Stage], AbstractContextManager[AnyScene]], str], AnyScene]


@pytest.fixture(scope="module")
def play(stages: Callable[[str], Stage]) -> Iterator[Play[Any]]:
    """Return what makes a scene for a pair, after the end of the one before, if it is not that one still."""
    with ExitStack() as stack:

        @lru_cache(maxsize=1)
        def play(make: Callable[[Stage], AbstractContextManager[AnyScene]], pair: str) -> AnyScene:
            stack.close()
            return stack.enter_context(make(stages(pair)))

        yield play


@contextmanager
def against_the_listener(stage: Stage) -> Iterator[Scene]:
    """Have an echo server in B, and the rogue in A."""
    words = stage.words("b")
    with ExitStack() as stack:
        stack.enter_context(stage.running("b", *python_argv("nsbridge.programs.echo", *words)))
        stage.run("b", *python_argv("nsbridge.programs.ready", "20", *words))
        a = stack.enter_context(closing(Inside(stage, "a")))
        honest = a.do(Honest, stack.enter_context(a.medium()))
        stack.callback(honest.close)
        yield Scene(stage, a, honest)


@pytest.mark.parametrize(("pair", "deed"), [(pair, deed) for pair in PAIRS for deed in CLIENTS[pair[:3]][1]])
def test_a_rogue_client_costs_its_own_stream(play: Play[Scene], pair: str, deed: str) -> None:
    scene = play(against_the_listener, pair)
    make, deeds = CLIENTS[pair[:3]]
    act, reason = deeds[deed]
    with scene.misdeed(reason):
        closed = scene.place.do(act, scene.place.do(make, *scene.place.words[1:]))
        assert eventually(lambda: scene.place.do(closed))


@dataclass
class ServerScene(Scene):
    """The same, with the rogue in B."""

    server: Any
    client: Inside
    endpoint: Medium


@contextmanager
def against_the_opener(stage: Stage) -> Iterator[ServerScene]:
    """Have the rogue in B, who is honest once."""
    with ExitStack() as stack:
        a, b = (stack.enter_context(closing(Inside(stage, side))) for side in ("a", "b"))
        server = b.do(SERVERS[b.words[0]][0], *b.words[1:])
        stack.callback(b.do, server.close)
        endpoint = stack.enter_context(a.medium())
        accepted = b.start(server.serve_honestly)
        honest = a.do(Honest, endpoint)
        stack.callback(honest.close)
        accepted.result(20)
        yield ServerScene(stage, b, honest, server, a, endpoint)


def write_on(endpoint: Medium) -> None:
    """Open a stream and write to it, a little now and then, until it is broken."""
    with endpoint.connect() as stream:
        while True:
            stream.write(bytes(4096))
            time.sleep(0.001)


@pytest.mark.parametrize(("pair", "deed"), [(pair, deed) for pair in PAIRS for deed in SERVERS[pair[4:]][1]])
def test_a_rogue_server_costs_its_own_stream(play: Play[ServerScene], pair: str, deed: str) -> None:
    scene = play(against_the_opener, pair)
    what = SERVERS[pair[4:]][1][deed]
    with scene.misdeed(what.reason):
        scene.place.do(what.before, scene.server)
        try:
            answer = scene.place.start(what.answer, scene.server)
            with pytest.raises(StreamError):
                scene.client.do(write_on, scene.endpoint)
            answer.result(20)
        finally:
            scene.place.do(what.after, scene.server)


def test_who_says_nothing_while_a_stream_is_opened_is_given_up(stages: Callable[[str], Stage]) -> None:
    with (
        against_the_listener(stages("ipc-net")) as one,
        against_the_opener(stages("net-ipc")) as other,
        one.misdeed("nobody came to the stream"),
        other.misdeed("nobody answers at message queue 5566"),
    ):
        closed = one.place.do(one.place.do(rogue_clients.IpcClient, *one.place.words[1:]).say)
        with pytest.raises(StreamError):
            other.client.do(write_on, other.endpoint)
        assert eventually(lambda: one.place.do(closed))
