"""A lab that somebody sits at: brought up, talked to, watched and taken down in the background; draws nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from nsbridge.census import census
from nsbridge.errors import NsbridgeError, UsageError
from nsbridge.lab import Lab
from nsbridge.labs import again, fresh, remove
from nsbridge.pairs import parse
from nsbridge.show import sharing
from nsbridge.show.hand import Hand
from nsbridge.show.talk import Conversation, Echo

BEAT = 0.5  # seconds between two beats
REST = 600.0  # seconds after which a lab that nobody touches gets no more beats
TRIPS, ECHOES = 120, 50  # how many are kept
STEPS = 3 + len(Lab.steps)
"""What `Lab.up` tells, without the changes to a config.json that was given."""

_DOWN = "choose a pair and press Up"
_BROKEN = "it may be mended; Up makes it anew"


class Session:
    """All that is done is done in one thread, in the order in which it was asked; futures hold what went wrong.

    Between two requests a beat is typed into the client, and /proc is read anew.
    """

    def __init__(self, name: str) -> None:
        """Find the lab of this name, if it is up."""
        self.name = name
        self.changed: Callable[[], None] = lambda: None
        """Called, in the thread of its own, when there is news to show."""
        self.word, self.text, self.fault = "down", _DOWN, ""
        self.done = 0
        """Of STEPS, while it is busy."""
        self.rows = sharing.rows({})
        self.echoes: deque[Echo] = deque(maxlen=ECHOES)
        self.trips: deque[tuple[float, bool]] = deque(maxlen=TRIPS)
        self.lab: Lab | None = None
        self._talk: Conversation | None = None
        self._touched = time.monotonic()
        self._hand = Hand(self._look, BEAT)
        self._ask(self._find).exception()  # which is told like any other

    @property
    def pair(self) -> str:
        """The pair of the lab, or nothing."""
        return self.lab.pair if self.lab else ""

    def up(self, pair: str) -> Future[None]:
        """Make the lab, in place of the one that is there."""
        return self._ask(lambda: self._up(pair))

    def say(self, line: str) -> Future[None]:
        """Type a line into the client."""
        return self._ask(lambda: self._say(line))

    def down(self) -> Future[None]:
        """Take the lab down."""
        return self._ask(self._down)

    def end(self) -> None:
        """Let go of the lab, which stays as it is."""
        self._hand.end()
        self._hang_up()

    def _ask(self, work: Callable[[], None]) -> Future[None]:
        def guarded() -> None:
            self.fault = ""
            self._touched = time.monotonic()
            try:
                work()
            except BaseException as error:
                self._tell(*(("broken", _BROKEN) if self.lab else ("down", _DOWN)), _line(error))
                raise

        return self._hand.ask(guarded)

    def _find(self) -> None:
        self.lab = again(self.name)
        if self.lab:
            self._stands("found again")

    def _up(self, pair: str) -> None:
        self._hang_up()
        self.lab, self.done = None, 0
        self.rows = sharing.rows({})
        self._tell("busy", f"{pair}: taking down what was there")
        self.lab = fresh(pair, self.name).up(say=self._progress).supervise()
        self.trips.clear()
        self._stands("")

    def _progress(self, line: str) -> None:
        self.done += 1
        self._tell("busy", line)

    def _stands(self, how: str) -> None:
        x, y = parse(self.pair)
        words = f"{self.pair}, {x.upper()} shared with A and {y.upper()} with B"
        self._read()
        self._tell("up", f"{words} ({how})" if how else words)

    def _down(self) -> None:
        self._hang_up()
        self._tell("busy", "taking the lab down")
        remove(self.name)
        self.lab, self.rows = None, sharing.rows({})
        self._tell("down", _DOWN)

    def _say(self, line: str) -> None:
        echo = self._type(line)
        self.echoes.append(echo)
        self.trips.append((echo.us, True))
        self.changed()

    def _type(self, line: str) -> Echo:
        """Type a line, with a client that has opened its stream before."""
        if self.lab is None:
            raise UsageError("there is no lab to talk through; bring it up first")
        if self._talk is None:
            self._talk = Conversation(self.lab).say("the first, which meets everything cold")
        try:
            return self._talk.say(line).echoes.pop()
        except BaseException:
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        if self._talk is not None:
            talk, self._talk = self._talk, None
            talk.kill()

    def _look(self) -> None:
        """Do what is done when nobody asks for anything."""
        if self.lab is None:
            return
        if time.monotonic() - self._touched > REST:
            self._hang_up()
            return
        try:
            self.lab = Lab.find(self.name)
            self._read()
            self.trips.append((self._type("beat").us, False))
            if self.word == "up":
                self.changed()
            else:
                self._stands("mended")
        except Exception as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        """Tell what became of a lab through which nothing comes back."""
        self._hang_up()
        if self.lab is not None and not self.lab.folder.exists():
            self.lab, self.rows = None, sharing.rows({})
            self._tell("down", _DOWN, "somebody else took the lab down")
        else:
            self._tell("broken", _BROKEN, _line(error))

    def _read(self) -> None:
        if self.lab is not None:
            self.rows = sharing.rows(census({"host": "self", **self.lab.pids()}))

    def _tell(self, word: str, text: str, fault: str = "") -> None:
        self.word, self.text, self.fault = word, text, fault
        self.changed()


def _line(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return words if isinstance(error, NsbridgeError) else f"{type(error).__name__}: {words}"
