"""The bridge's steps, taken one by one and noted: namespaces after each, privileges before and after."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from nsbridge.census import census
from nsbridge.forms import Lines, Sheet, dim, mono, strong
from nsbridge.lab import Lab
from nsbridge.namespaces import Kind
from nsbridge.show import sharing
from nsbridge.show.holdings import Holdings, compared
from nsbridge.show.watching import shortened
from nsbridge.study import drawings
from nsbridge.study.trace import Trace, condensed

_FIELDS = {
    "Uid": "the user it runs as: real, effective, saved, for files",
    "Groups": "further groups",
    "CapEff": "capabilities in force",
    "CapPrm": "capabilities it may take up",
    "CapBnd": "capabilities a program it starts could have",
    "NoNewPrivs": "1: no program can gain any",
    "Seccomp": "2: a filter decides on each system call",
    "Seccomp_filters": "how many filters there are",
}
_PLACES = {"net": "port {port} of {address}", "ipc": "queue {key}", "mnt": "{path}"}
_TELLING = {
    *("pidfd_open", "setns", "socket", "bind", "listen", "msgget", "inotify_init1", "inotify_add_watch", "mkdir"),
    *("setgroups", "setresgid", "setresuid", "prctl", "capset", "seccomp"),
}
_WORDLESS = re.compile(r"EFAULT|EINVAL|GET_|PR_CAPBSET_READ|AMBIENT_IS_SET|\(PR_SET_NAME")  # what only asks
_WORDS = {
    "open": "holds a pidfd of each container's first process",
    "join x": "has joined {x} of A",
    "join y": "has joined {y} of B",
    "attach": "serves {x} where A will look for it",
    "confine": "has joined a USER namespace and given up every privilege",
    "serve": "relays what comes",
}


class Journey:
    """A lab's bridge on its way from the host to its place between A and B."""

    def __init__(self, lab: Lab) -> None:
        """Note where everybody is before the first step; containers must run, and the bridge have taken no step."""
        lab.must_exist()
        self.lab = lab
        self.people: dict[str, dict[str, int]] = census({"host": "self", **lab.pids()})
        self.stops: dict[str, dict[Kind, int]] = {}
        self._status = {"before": self._read()}
        self._held = Holdings.of(lab.pids()["bridge"])
        self._trace = Trace(lab.pids()["bridge"]).start()
        self._times: dict[str, float] = {}

    def step(self, name: str) -> Lines:
        """Take a step, and tell which namespaces it changed."""
        before = next(reversed(self.stops.values())) if self.stops else None
        was = {kind: before[kind] if before else self.people["bridge"][kind.proc] for kind in Kind}
        now = self.stops[name] = self.lab.step(name)
        self._times[name] = time.time()
        if name == self.lab.steps[-1]:
            self._trace.stop()
        if name == "confine":
            self._status["after"] = self._read()
        lines = [f"{strong(name)}: the bridge {_WORDS[name].format(x=self.lab.x.upper(), y=self.lab.y.upper())}"]
        lines += [
            f"  {kind.name:<4} {was[kind]} ({self.owner(kind, was[kind])}) → "
            + strong(f"{now[kind]} ({self.owner(kind, now[kind])})")
            for kind in Kind
            if was[kind] != now[kind]
        ]
        return Lines("\n".join(lines if len(lines) > 1 else [*lines, dim("  no namespace changed")]))

    def owner(self, kind: Kind, inode: int) -> str:
        """Return whose namespace this is: `host`, `A` or `B`."""
        names = {"host": "host", "a": "A", "b": "B"}
        return next((word for who, word in names.items() if self.people[who].get(kind.proc) == inode), "its own")

    def table(self) -> Sheet:
        """Show where the bridge has come to, read from /proc anew, with the cells that it shares in bold."""
        found = census({"host": "self", **self.lab.pids()})
        return replace(sharing.sheet(sharing.rows(found)), evidence=self._evidence(found))

    def privileges(self) -> Sheet:
        """Show what /proc/PID/status says of the bridge's privileges, before its first step and now."""
        before, after = self._status["before"], self._status.get("after") or self._read()
        rows = [
            [mono(name), *(mono(value) if value else "(none)" for value in (before[name], after[name])), words]
            for name, words in _FIELDS.items()
            if name in before and name in after
        ]
        evidence = {"CapEff": after["CapEff"], "Seccomp": after["Seccomp"]}
        return Sheet(["line", "before", "after", "what it means"], rows, "lrrl", evidence)

    def holdings(self) -> Sheet:
        """Show what the bridge held and saw before its first step, and what it does now."""
        return compared(self._held, Holdings.of(self.lab.pids()["bridge"]))

    def calls(self) -> Sheet | Lines:
        """Show the system calls that made the steps, as strace saw them; what repeats is folded."""
        if self._trace.missing:
            return Lines(self._trace.missing)
        kept = condensed(
            call for call in self._trace.calls if call.name in _TELLING and not _WORDLESS.search(call.text)
        )
        rows = [[self._step_of(call.end), mono(shortened(call.text)), call.slide] for call in kept]
        for row, above in reversed(list(zip(rows[1:], rows, strict=False))):
            row[0] = "" if row[0] == above[0] else row[0]
        return Sheet(["step", "system call", "in the slides"], rows)

    def picture(self) -> Figure:
        """Draw the steps: a column for each, a row for each kind of namespace."""
        columns = {
            "A": {kind: (self.people["a"][kind.proc], "A") for kind in Kind},
            **{
                name: {kind: (inode, self.owner(kind, inode)) for kind, inode in stop.items()}
                for name, stop in self.stops.items()
            },
            "B": {kind: (self.people["b"][kind.proc], "B") for kind in Kind},
        }
        return drawings.journey(columns)

    def chart(self) -> Figure:
        """Draw A, the bridge and B with what they share, by inode number."""
        self.lab.must_exist()
        status = self.lab.status()
        found = census(self.lab.pids())
        return drawings.chart(self.lab.x, self.lab.y, found, (_place(status["a"]), _place(status["b"])))

    def _step_of(self, when: float) -> str:
        return next((name for name, time in self._times.items() if when <= time), self.lab.steps[-1])

    def _read(self) -> dict[str, str]:
        self.lab.must_exist()
        text = Path(f"/proc/{self.lab.pids()['bridge']}/status").read_text()
        return {
            name: " ".join(value.split()) for name, _, value in (line.partition(":") for line in text.splitlines())
        }

    def _evidence(self, found: dict[str, dict[str, int]]) -> dict[str, Any]:
        pids = self.lab.pids()
        return {
            side: {
                "kind": kind.upper(),
                "container": found[who][kind],
                "bridge": found["bridge"][kind],
                "pids": [pids[who], pids["bridge"]],
            }
            for side, kind, who in (("x", self.lab.x, "a"), ("y", self.lab.y, "b"))
        }


def _place(side: dict[str, Any]) -> str:
    """Return, in words, where an endpoint of `Lab.status` is."""
    return _PLACES[side["endpoint"]["medium"]].format(**side["endpoint"])
