"""A lab under attack and under stress, as tables: what a container tries, what it can use up, how a lab recovers."""

from __future__ import annotations

import subprocess

from nsbridge.containers.runtime import python_argv, python_env
from nsbridge.errors import ContainerError
from nsbridge.forms import Lines, Sheet, bold, mono
from nsbridge.lab import Lab
from nsbridge.labs import of_a_lab
from nsbridge.study.attacks import REFUSALS, attack
from nsbridge.study.faults import Verdict

_STRAINS = (
    (("threads",), "tasks", "clone", "pids.max, RLIMIT_NPROC"),
    (("instances",), "inotify descriptors", "inotify_init1", "user.max_inotify_instances"),
    (("queues",), "message queues", "msgget", "kernel.msgmni"),
    (("disk", "/run/nsbridge"), "bytes in the folder of MNT", "write", "size of the tmpfs"),
)


@of_a_lab
def attempts(lab: Lab) -> Sheet:
    """Let a process in A, and then one in B, try to reach what is not its own."""
    a, b = attack(lab, "a"), attack(lab, "b")
    rows = [
        [what, mono(refusal.call), _answer(a[what]), _answer(b[what]), refusal.why]
        for what, refusal in REFUSALS.items()
    ]
    refused = sum(found[what] in refusal.answers for found in (a, b) for what, refusal in REFUSALS.items())
    evidence = {"attempts": {"made": 2 * len(REFUSALS), "refused": refused}}
    return Sheet(["attempt", "system call", "in A", "in B", "what stands in the way"], rows, evidence=evidence)


@of_a_lab
def used_up(lab: Lab) -> Sheet:
    """Let a process in A take as much as it gets of what the kernel gives to everybody."""
    rows = []
    for words, what, call, limit in _STRAINS:
        argv = lab.a.exec_argv(python_argv("nsbridge.programs.strain", *words), python_env())
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ContainerError(f"a program failed in {lab.a.id}: {done.stderr.strip()[-200:]}")
        count, name = done.stdout.split()
        rows.append([what, mono(call), f"{int(count):,}", bold(name), limit])
    return Sheet(["what", "system call", "so many", "and then", "what sets the limit"], rows, "llrll")


def story(verdict: Verdict) -> Sheet:
    """Tell a fault run in its order."""
    rows = [
        [str(number), f"{fault.begin:.1f}", fault.what, f"{fault.end - fault.begin:.2f}", f"{fault.recovery:.3f}"]
        for number, fault in enumerate(verdict.faults, 1)
    ]
    evidence = {"faults": {"sent": verdict.sent, "lost": verdict.lost, "good": verdict.good}}
    return Sheet(["", "at s", "fault", "lasted s", "next echo after s"], rows, "rrlrr", evidence)


def verdict(found: Verdict) -> Lines:
    """Give the verdict, which is one line, in lines that fit on a page."""
    return Lines(str(found).replace(", sent", ",\nsent").replace(", recovery", ",\nrecovery"))


def _answer(word: str) -> str:
    return word if word != "ok" else bold(word)
