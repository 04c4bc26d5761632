"""What is kept of a lab between two commands, and where; knows nothing of what a lab does.

It is one file, replaced as a whole. Until a lab is up its maker writes it, from then on its supervisor.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_type_hints

from nsbridge import privilege
from nsbridge.alive import Process
from nsbridge.containers import processes
from nsbridge.endpoints import ECHO
from nsbridge.errors import UsageError
from nsbridge.pairs import PAIRS

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
HOLDER = ["/bin/sleep", "infinity"]
"""What holds the outer user namespace of an ordinary user's lab, so that later commands can enter it."""

_PROCESSES = ("bridge", "holder", "supervisor")


def folder_of(name: str) -> Path:
    """Return the folder of the lab that goes by `name`.

    Raises:
        UsageError: the name cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"no name for a lab: {name!r}; use up to 40 lower-case letters, digits, '.', '_' and '-'")
    return privilege.home() / "labs" / name


def labs() -> list[str]:
    """Return the names of all labs of this user, half-made ones too."""
    place = privilege.home() / "labs"
    return sorted(entry.name for entry in place.iterdir() if entry.is_dir()) if place.is_dir() else []


def holder(name: str) -> Process | None:
    """Return the process that holds the outer user namespace of a lab, if there is one.

    If what is kept of the lab is lost, it is known by its mark.
    """
    try:
        return Record.read(name).holder
    except UsageError:
        with suppress(UsageError):
            found = processes.find(processes.marked(folder_of(name)))
            return next((Process.of(pid) for pid in found if processes.words(pid) == HOLDER), None)
    return None


@dataclass
class Record:
    """A lab's pair and processes; a pid is 0, a process None, where there is none yet."""

    pair: str
    a: int = 0
    b: int = 0
    bridge: Process | None = None
    holder: Process | None = None
    """Holds the outer user namespace of an ordinary user's lab."""
    supervisor: Process | None = None
    echoes: bool = True
    """Whether what serves in B is the echo server."""
    port: int = ECHO
    """Where it listens, if NET is shared with B."""
    restarts: int = 0
    """How often the bridge was replaced."""
    reason: str | None = None
    """Why it was, the last time."""

    @classmethod
    def read(cls, name: str) -> Record:
        """Return what is kept of the lab `name`.

        Raises:
            UsageError: there is no such lab, or what is left of it is none.
        """
        place = folder_of(name)
        if not os.path.isdir(place):  # Path.is_dir raises where a folder above may not be searched
            raise UsageError(f"there is no lab {name!r}; make it with `nsbridge up --name {name}`")
        try:
            data = json.loads((place / "lab.json").read_text())
            parts = {part: Process(**data[part]) if data[part] else None for part in _PROCESSES}
            record = cls(**{**data, **parts})
            kept: list[object] = [record, *filter(None, parts.values())]
            if record.pair not in PAIRS or not all(map(_typed, kept)):
                raise ValueError
            return record
        except (OSError, ValueError, TypeError, KeyError):
            raise UsageError(f"lab {name!r} is half made; remove it with `nsbridge down --name {name}`") from None

    def write(self, name: str) -> None:
        """Keep it, whole or not at all; OSError where the folder is not there."""
        place = folder_of(name)
        new = place / "lab.json.new"
        new.write_text(json.dumps(asdict(self)))
        new.replace(place / "lab.json")

    def leave(self, name: str, part: str, argv: list[str]) -> None:
        """Start a process that outlives this one, unless this one is killed before it is on record as `part`."""
        gate, key = os.pipe()
        with (folder_of(name) / f"{part}.log").open("ab") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh", *argv],
                stdin=gate,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=processes.environment(folder_of(name)),
                cwd="/",
            )
        os.close(gate)
        setattr(self, part, Process.of(process.pid))
        self.write(name)
        os.write(key, b"\n")
        os.close(key)
        process.returncode = 0  # nobody here will wait for it


def _typed(kept: object) -> bool:
    """Whether each field is of its type, whoever wrote the file."""
    return all(isinstance(getattr(kept, field), kind) for field, kind in get_type_hints(type(kept)).items())
