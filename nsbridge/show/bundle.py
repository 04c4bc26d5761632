"""A container's bundle opened: its files, its layers, its config.json; shows, and changes nothing but a note."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from nsbridge.containers.busybox import busybox
from nsbridge.containers.programs import PROGRAMS
from nsbridge.containers.runtime import BUSYBOX, RUNTIME
from nsbridge.errors import ContainerError
from nsbridge.forms import Lines, Sheet, bold, dim, mono, plain, strong
from nsbridge.lab import Lab
from nsbridge.labs import of_a_lab
from nsbridge.show import settings

_PARTS = {
    "config.json": "what runc is told",
    "rootfs": "the root directory: an overlay of upper over lower",
    "lower": "the layer base, read-only",
    "upper": "what this container writes",
    "work": "the kernel's own, for the overlay",
    "runtime": "a layer: Python, its loader and libraries",
    "programs": "a layer: the programs of this project",
    "output.log": "what the container's program prints",
    "pid": "its first process, noted by runc",
}

_SCRIPT = """ls / | tr '\\n' ' '; echo
hostname
ip -o link | wc -l
kill -0 {pid} 2>/dev/null && echo yes || echo no
id -u
"""


@of_a_lab
def bundle(lab: Lab) -> Lines:
    """List A's bundle, the folder that `runc create --bundle` is given."""
    place = lab.a.bundle
    lines = [strong(f"{place.name}/")]
    for name, meaning in _PARTS.items():
        if (place / name).exists():
            link = f" -> …/{(place / name).resolve().name[:22]}…" if (place / name).is_symlink() else ""
            lines.append(f"  {name + link:<36} {dim(meaning)}")
    return Lines("\n".join(lines))


@of_a_lab
def layers(lab: Lab) -> Sheet:
    """Measure the layers that A's and B's file systems are made of, and tell which of them the two have in common."""
    mounted = {"lower": "/", "runtime": RUNTIME, "programs": PROGRAMS, "upper": "/, above the base"}
    what = {
        "lower": ("base", "busybox, a user list, empty folders"),
        "runtime": ("runtime", "Python, its loader and libraries"),
        "programs": ("programs", "client, echo server, media"),
        "upper": ("upper", "all that A or B writes, and mount points"),
    }
    rows = []
    for part, (name, content) in what.items():
        a, b = ((container.bundle / part).resolve() for container in (lab.a, lab.b))
        files, size = _measure(a)
        whose = "one for both" if a == b else "one each"
        rows.append([bold(name), content, mono(mounted[part]), f"{files:,}", f"{size / (1 << 20):.1f}", whose])
    return Sheet(["layer", "holds", "mounted at", "files", "MiB", "A and B"], rows, "lllrrl")


@of_a_lab
def write(lab: Lab, text: str = "written in A\n") -> Sheet:
    """Write a file into A's root, and look for it in each layer and in B."""
    note = Path("tmp/note")
    (lab.a.bundle / "rootfs" / note).write_text(text)
    places = {
        "A's root": lab.a.bundle / "rootfs",
        "A's upper layer": lab.a.bundle / "upper",
        "the base layer": lab.a.bundle / "lower",
        "B's root": lab.b.bundle / "rootfs",
    }
    rows = [[plain(name), mono((place / note).read_text().strip()) if (place / note).exists() else "not there"]
            for name, place in places.items()]  # fmt: skip
    return Sheet(["looked at", f"/{note}"], rows)


@of_a_lab
def chroot(lab: Lab) -> Sheet:
    """Ask the same five questions on the host, after a change of root into A's, and inside container A."""
    script = _SCRIPT.format(pid=os.getpid())
    answers = [
        _answers([str(busybox()), "sh", "-c", script]),
        _answers(["chroot", str(lab.a.bundle / "rootfs"), "/bin/busybox", "sh", "-c", script]),
        _answers(lab.a.exec_argv([BUSYBOX, "sh", "-c", script])),
    ]
    answers[0][0] = "the host's folders"
    for answer in answers[1:]:
        answer[0] = f"{len(answer[0].split())} folders of the bundle"
    questions = ["What is in /?", "What is the machine called?", "How many network interfaces?",
                 "May it signal this notebook's process?", "Which user is it?"]  # fmt: skip
    rows = [[question, *map(plain, row)] for question, *row in zip(questions, *answers, strict=True)]
    marked = [[row[0], row[1], *(bold(cell) if cell != row[1] else cell for cell in row[2:])] for row in rows]
    return Sheet(["question", "host", "after chroot", "in container A"], marked)


@of_a_lab
def annotated(lab: Lab) -> Sheet:
    """Show the lines of A's config.json that matter, with what each is for."""
    return settings.annotated(lab.a.bundle / "config.json")


@of_a_lab
def differences(lab: Lab) -> Sheet:
    """Show in what B's config.json differs from A's."""
    return settings.differences({"A": lab.a.bundle / "config.json", "B": lab.b.bundle / "config.json"})


@of_a_lab
def against_spec(lab: Lab) -> Sheet:
    """Show in what A's config.json differs from the one that a plain `runc spec` writes."""
    return settings.against_spec(lab.a.bundle / "config.json")


def _measure(layer: Path) -> tuple[int, int]:
    """Return how many files `layer` holds, and their bytes."""
    files = [Path(folder, name) for folder, _, names in os.walk(layer) for name in names]
    return len(files), sum(file.lstat().st_size for file in files)


def _answers(argv: list[str]) -> list[str]:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ContainerError(f"{argv[0]} failed: {done.stderr.strip()}")
    return done.stdout.splitlines()
