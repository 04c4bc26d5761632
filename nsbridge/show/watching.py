"""One message watched on its way through the bridge, from outside; knows what strace saw, and no medium."""

from __future__ import annotations

from matplotlib.figure import Figure

from nsbridge.errors import HostError
from nsbridge.forms import Lines, Sheet, mono
from nsbridge.lab import Lab
from nsbridge.show.talk import Conversation
from nsbridge.study import drawings
from nsbridge.study.trace import Call, Trace, condensed, message

_LONGEST = 72  # characters of a call


class Watched:
    """A client's whole visit while strace watches the bridge: it comes, types two lines, and goes."""

    def __init__(self, lab: Lab, line: str = "one traced message") -> None:
        """Let it happen; `line` is the second, which is looked at."""
        self.lab = lab
        trace = Trace(lab.pids()["bridge"])
        with trace, Conversation(lab) as talk:
            talk.say("the first, which meets everything cold", line)
        self.missing = trace.missing
        self._calls = trace.calls
        self._message = message(trace.calls, line)

    def visit(self) -> Sheet | Lines:
        """Show the calls of the whole visit that the slides name."""
        if self.missing:
            return Lines(self.missing)
        return _sheet(condensed(call for call in self._calls if call.slide and call.result not in ("?", "-1")))

    def message(self) -> Sheet | Lines:
        """Show the calls that carried the line, there and back."""
        return Lines(self.missing) if self.missing else _sheet(self._message)

    def picture(self) -> Figure:
        """Draw them as a sequence.

        Raises:
            HostError: strace saw nothing.
        """
        if not self._message:
            raise HostError(self.missing or "strace saw no call that carried the line; run the cell again")
        return drawings.sequence(self._message, self.lab.x, self.lab.y)


def _sheet(calls: list[Call]) -> Sheet:
    threads = {tid: str(number) for number, tid in enumerate(dict.fromkeys(call.tid for call in calls), 1)}
    begin = calls[0].end if calls else 0.0
    rows = [
        [f"{(call.end - begin) * 1e6:,.0f}", threads[call.tid], mono(shortened(call.text)), call.slide]
        for call in calls
    ]
    return Sheet(["µs", "thread", "system call of the bridge", "in the slides"], rows, "rrll")


def shortened(text: str) -> str:
    """Return a call that fits on a line: what it returned stays."""
    if len(text) <= _LONGEST:
        return text
    call, _, result = text.rpartition(" = ")
    return f"{call[: max(_LONGEST - len(result) - 5, 20)]}…) = {result}"
