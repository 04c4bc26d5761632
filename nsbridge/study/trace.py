"""The system calls that a process makes, as strace(1) sees them from outside; knows no bridge.

Being watched costs a process some tens of microseconds a call: times in a trace tell the order, not the speed.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

SLIDES = {
    "socket": "Socket", "bind": "Bind", "listen": "Listen", "connect": "Connect", "accept4": "Accept",
    "accept": "Accept", "sendto": "Send", "recvfrom": "Recv",
    "msgget": "Msgget", "msgsnd": "Msgsnd", "msgrcv": "Msgrcv", "msgctl": "Msgctl",
    "inotify_init1": "inotify_init", "inotify_add_watch": "inotify_add_watch",
}  # fmt: skip
"""Names of the kernel, and those in the appendix of the assignment's slides."""

_LINE = re.compile(r"(?P<tid>\d+) +(?P<time>\d+\.\d+) (?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<args>.*)\) += (?P<result>.*?)(?: <(?P<took>[\d.]+)>)?")
_BEGUN = re.compile(r"(?P<name>\w+)\((?P<args>.*?) *<unfinished \.\.\.>")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<args>.*)\) += (?P<result>.*?)(?: <(?P<took>[\d.]+)>)?")
_MTEXT = re.compile(r'(?<=mtext=)"((?:[^"\\]|\\.)*)"(?:\.\.\.)?')
_BYTE = re.compile(r"\\(?:[0-7]{1,3}|.)|.")
_EVENT = re.compile(r'\d+, "\\\d+\\0\\0\\0')  # how a struct inotify_event begins
_ATTACHED = re.compile(r"attached")


@dataclass(frozen=True)
class Call:
    """One system call of one thread; times are seconds of the clock, `end` that of its return."""

    tid: int
    start: float
    end: float
    name: str
    args: str
    result: str
    times: int = 1
    """How often it was made in a row, with other arguments perhaps."""

    @property
    def text(self) -> str:
        """The call as strace writes it, without what a buffer held before."""
        again = f"   ({self.times} times)" if self.times > 1 else ""
        args = self.args
        if self.name == "msgrcv" and self.result.isdecimal():
            args = _MTEXT.sub(lambda found: _cut(found[1], int(self.result)), args)
        return f"{self.name}({args}) = {self.result}{again}"

    @property
    def slide(self) -> str:
        """Its name in the slides, or nothing."""
        return SLIDES.get(self.name, "")


class Trace:
    """Watches all threads of a process between `start` and `stop`; then `calls` has what they did.

    Where strace is missing or forbidden, `missing` says so, and there are no calls.
    """

    def __init__(self, pid: int) -> None:
        """Name the process."""
        self.pid = pid
        self.calls: list[Call] = []
        self.missing = "" if shutil.which("strace") else "strace is missing: install it (apt-get install strace)"

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def start(self) -> Self:
        """Attach to the process."""
        if self.missing:
            return self
        self._folder = TemporaryDirectory(prefix="nsbridge-trace-")
        self._file = Path(self._folder.name, "trace")
        options = ["-f", "-ttt", "-T", "-s", "48", "-o", str(self._file), "-p", str(self.pid)]
        self._strace = subprocess.Popen(
            ["strace", *options],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a kernel that ends waits for the children in its process group
        )
        said = self._strace.stderr.readline() if self._strace.stderr else ""
        if not _ATTACHED.search(said):
            self.missing = f"strace may not watch the process here: {said.strip()}"
            self._end()
        return self

    def stop(self) -> Self:
        """Let go of the process, and read what was seen."""
        if not self.missing:
            self._strace.send_signal(signal.SIGINT)
            self._strace.communicate()
            self.calls = list(parse(self._file.read_text(errors="replace").splitlines()))
            self._end()
        return self

    def _end(self) -> None:
        if self._strace.poll() is None:
            self._strace.kill()
            self._strace.communicate()
        self._folder.cleanup()


def parse(lines: Iterable[str]) -> Iterator[Call]:
    """Yield the finished calls in what `strace -f -ttt -T` wrote, in the order of their ends."""
    begun: dict[int, tuple[float, str]] = {}
    for line in lines:
        if not (found := _LINE.fullmatch(line)):
            continue
        tid, time, rest = int(found["tid"]), float(found["time"]), found["rest"]
        if half := _BEGUN.fullmatch(rest):
            begun[tid] = (time, half["args"])
        elif resumed := _RESUMED.fullmatch(rest):
            start, args = begun.pop(tid, (time, ""))
            args = f"{args} " if args.endswith(",") else args
            yield Call(tid, start, time, resumed["name"], args + resumed["args"], resumed["result"])
        elif whole := _CALL.fullmatch(rest):
            took = float(whole["took"] or 0)
            yield Call(tid, time, time + took, whole["name"], whole["args"], whole["result"])


def condensed(calls: Iterable[Call]) -> list[Call]:
    """Fold calls of one name that follow each other into the first of them."""
    kept: list[Call] = []
    for call in calls:
        if kept and kept[-1].name == call.name and _first(kept[-1]) == _first(call):
            kept[-1] = replace(kept[-1], times=kept[-1].times + 1)
        else:
            kept.append(call)
    return kept


def message(calls: Sequence[Call], text: str) -> list[Call]:
    """Return the calls that carried `text`, and those that read inotify's word of it, in the order of their ends."""
    carrying = [index for index, call in enumerate(calls) if text in call.text]
    if not carrying:
        return []
    first, last = carrying[0], carrying[-1]
    while first and calls[first - 1].tid == calls[first].tid and _is_event(calls[first - 1]):
        first -= 1
    return [call for call in calls[first : last + 1] if text in call.text or _is_event(call)]


def _is_event(call: Call) -> bool:
    return call.name == "read" and _EVENT.match(call.args) is not None


def _first(call: Call) -> str:
    return call.args.partition(",")[0]


def _cut(text: str, size: int) -> str:
    """Return the first `size` bytes of a string as strace writes them: what is behind is of an earlier message."""
    return '"' + "".join(_BYTE.findall(text)[:size]) + '"'
