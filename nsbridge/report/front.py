"""A report's first page and its last: what was made, where, when, and the evidence in numbers; renders nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nsbridge.forms import EVIDENCE, mono
from nsbridge.pairs import parse
from nsbridge.report.model import Front, Notebook
from nsbridge.study.measure import OURS, environment

_WORDS = {"net": "TCP", "ipc": "message queues", "mnt": "files"}
_HELD = (
    (OURS[1], "a relay in C, ends in C", "C"),
    (OURS[0], "a relay in C, ends in C", "C"),
    (OURS[1], "socat, tcp to unix, ends in C", "socat"),
)
_PACKAGES = ("jupyterlab", "nbclient", "pyroute2", "sysv_ipc", "matplotlib", "pypandoc_binary", "typst")


def of(pair: str, executed: Sequence[Notebook], when: datetime) -> Front:
    """Return the front of a pair's report; the evidence is taken from the executed notebooks' outputs."""
    x, y = parse(pair)
    return Front(
        title="Two containers and a bridge",
        subtitle=f"{x.upper()} shared with A, {y.upper()} shared with B: {_WORDS[x]} to {_WORDS[y]} and back",
        date=_day(when),
        facts={"Pair": pair, **_facts()},
        summary=_summary(x, y, evidence(executed)),
        environment=_environment(pair, when),
    )


def of_all(reports: Mapping[str, Sequence[Notebook]], when: datetime) -> Front:
    """Return the front of the comparison of pairs, by the executed notebooks of each."""
    return Front(
        title="Six pairs compared",
        subtitle="NET, IPC and MNT, in every order",
        date=_day(when),
        facts={"Pairs": ", ".join(reports), **_facts()},
        summary=_side_by_side({pair: evidence(executed) for pair, executed in reports.items()}),
        environment=_environment("--all", when),
    )


def evidence(executed: Sequence[Notebook]) -> dict[str, Any]:
    """Return the facts that the notebooks' outputs carry."""
    found: dict[str, Any] = {}
    for notebook in executed:
        for cell in notebook.node.cells:
            for output in cell.get("outputs", ()):
                found |= output.get("data", {}).get(EVIDENCE, {})
    return found


def _side_by_side(found: Mapping[str, Mapping[str, Any]]) -> str:
    header = ["pair", *(f"{'bridge' if own == OURS[1] else 'all in Python'} : {short}" for own, _, short in _HELD)]
    header += ["lines lost of those sent, in faults", "attacks refused"]
    lines = [f"| {' | '.join(header)} |", f"|:{'-' * 8}|{'|'.join(['-' * 12 + ':'] * (len(header) - 1))}|"]
    for pair, facts in found.items():
        ratios = [facts["ratios"].get(own, {}).get(other) for own, other, _ in _HELD]
        cells = ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        faults, attempts = facts["faults"], facts["attempts"]
        cells += [f"{faults['lost']} of {faults['sent']:,}", f"{attempts['refused']} of {attempts['made']}"]
        lines.append(f"| **{pair}** | {' | '.join(cells)} |")
    opening = (
        "Each pair has a report of its own. Here is what differs: the median round trip of 64 bytes, through the "
        "bridge between ends in C and all in Python, against what was measured in the same rounds (below 1 the "
        "bridge is quicker); and what the faults and the attacks of chapter 6 came to."
    )
    return "\n".join([opening, "", *lines])


def _summary(x: str, y: str, found: dict[str, Any]) -> str:
    rows = [
        ("X connection, 20 %", _shared("A", found["x"]), "[page](03-bridge.ipynb#tab-shared)"),
        ("Y connection, 20 %", _shared("B", found["y"]), "[page](03-bridge.ipynb#tab-shared)"),
        ("Echo service, 20 %", _echo(found), "[page](03-bridge.ipynb#The-echo)"),
        (
            "Report, 40 %",
            "From chroot to the bridge by experiments that ran for these pages; each chapter ends with the commands "
            "that check it.",
            "[page](01-bundles.ipynb)",
        ),
    ]
    lines = ["| what is scored | evidence from this run | where |", f"|:{'-' * 20}|:{'-' * 70}|:{'-' * 8}|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    opening = (
        "Containers A and B, made by runc, share no namespace with each other. "
        f"The bridge is in the **{x.upper()}** namespace of A and in the **{y.upper()}** namespace of B. "
        "It carries what is typed into a client in A to an echo server in B, and back."
    )
    return "\n".join([opening, "", *lines])


def _shared(container: str, fact: dict[str, Any]) -> str:
    first, bridge = fact["pids"]
    verdict = "The bridge is in" if fact["container"] == fact["bridge"] else "**The bridge is not in**"
    return (
        f"{verdict} the {fact['kind']} namespace of {container}: inode **{fact['bridge']}** for the bridge "
        f"(process {bridge}) and **{fact['container']}** for {container} (process {first})."
    )


def _echo(found: dict[str, Any]) -> str:
    echo, hard, crowd = found["echo"], found["hard"], found["crowd"]
    return (
        f"{mono(echo['first'])} came back {'unchanged' if echo['same'] else '**changed**'}; so did "
        f"{'all' if hard['same'] else '**not all**'} of {hard['messages']} hard messages, up to 1 MiB, "
        f"and the lines of {crowd['same']} of {crowd['clients']} clients at once."
    )


def _facts() -> dict[str, str]:
    facts = environment()
    user = "root" if facts["user"] == "root" else "an ordinary user, in a user namespace"
    return {
        "Machine": f"{facts['machine']}, {facts['cores']} cores, {_memory()}",
        "System": f"{_system()}, Linux {facts['kernel']}",
        "Versions": f"runc {facts['runc']}, Python {facts['python']}, nsbridge {version('nsbridge')}",
        "Run by": user,
    }


def _environment(pair: str, when: datetime) -> dict[str, str]:
    command = "scripts/report --all" if pair == "--all" else f"scripts/report --pair {pair}"
    return {
        **_facts(),
        "Processor": _processor(),
        "C library": " ".join(platform.libc_ver()),
        "Packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "Begun": when.strftime("%Y-%m-%d %H:%M %Z"),
        "Made by": command,
    }


def _day(when: datetime) -> str:
    return f"{when.day} {when:%B %Y}"


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.1f} GiB"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()
