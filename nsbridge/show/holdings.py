"""What a process holds and sees: descriptors, root, mounts, limits; reads /proc, and knows what a bridge needs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from nsbridge.forms import Sheet, mono, plain

_NEEDED = (
    (r"/dev/null", "its standard input and output"),
    (r".*/bridge\.log", "its standard error"),
    (r"pipe:.*", "steps are ordered here"),
    (r"anon_inode:\[pidfd\]", "tells when container {letter} ends"),
    (r"socket:.*", "the listening socket, and a second descriptor of it to give up when there are no more"),
    (r"anon_inode:inotify", "the events of MNT"),
    (r".*/lock", "says that MNT is served, as long as it is locked"),
    (r"anon_inode:\[(eventpoll|eventfd)\]", "waits for the end of processes on the other side of IPC"),
)
_LIMITS = {
    "Max processes": "tasks",
    "Max address space": "memory",
    "Max file size": "a file",
    "Max core file size": "core",
}


@dataclass(frozen=True)
class Holdings:
    """What one process holds at one moment."""

    descriptors: dict[int, str]
    """By number, what the link in /proc/PID/fd says."""
    root: str
    """Its root directory."""
    mounts: list[str]
    """The mount points within its root (/proc/PID/mountinfo)."""
    limits: dict[str, str]
    """The hard limits (getrlimit(2)), by a short name."""

    @classmethod
    def of(cls, pid: int) -> Holdings:
        """Read what process `pid` holds now; OSError if it is gone."""
        place = Path(f"/proc/{pid}")
        rows = (re.split(r"\s{2,}", line.strip()) for line in (place / "limits").read_text().splitlines())
        return cls(
            {int(name): os.readlink(place / "fd" / name) for name in sorted(os.listdir(place / "fd"), key=int)},
            os.readlink(place / "root"),
            [line.split()[4] for line in (place / "mountinfo").read_text().splitlines()],
            {_LIMITS[row[0]]: row[2] for row in rows if row[0] in _LIMITS},
        )


def purpose(target: str, pidfds: int = 0) -> str | None:
    """Return what a bridge needs a descriptor for; None if it needs none such.

    Args:
        target: what the link in /proc/PID/fd says.
        pidfds: how many pidfds were told of before, of the two in the order A, B.
    """
    found = next((words for pattern, words in _NEEDED if re.fullmatch(pattern, target)), None)
    return found.format(letter="AB"[pidfds % 2]) if found else None


def compared(before: Holdings, after: Holdings) -> Sheet:
    """Lay out what a bridge held before its first step and holds now."""
    rows = []
    pidfds = 0
    for number in sorted({*before.descriptors, *after.descriptors}):
        was, now = (mono(_short(each.descriptors.get(number, ""))) or "-" for each in (before, after))
        target = after.descriptors.get(number, "")
        rows.append([f"descriptor {number}", was, now, plain(purpose(target, pidfds) or "closed" * (not target))])
        pidfds += "pidfd" in target
    rows.append(["root", mono(before.root), mono(_short(after.root)), _seen(after)])
    rows.append(["mounts in view", str(len(before.mounts)), str(len(after.mounts)), ""])
    for name in after.limits:
        rows.append([f"most: {name}", before.limits[name], after.limits[name], ""])
    evidence = {"descriptors": len(after.descriptors), "mounts": len(after.mounts)}
    return Sheet(["what", "before the first step", "now", "what for"], rows, "lrrl", evidence)


def _seen(after: Holdings) -> str:
    if after.root.endswith(" (deleted)"):
        return "an empty folder that is removed: no file is within reach"
    return "that of a container, of which Landlock leaves the folder of MNT"


def _short(target: str) -> str:
    parts = target.split("/")
    return target if len(parts) < 4 else f"…/{parts[-1]}"
