"""A container turned attacker, in A and in B, root's lab and an ordinary user's: what it tries, and what it gets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from nsbridge.containers.runtime import python_argv
from nsbridge.study.attacks import REFUSALS

from .host import User
from .inside import PYTHON, Inside

ATTACK = """
import json, sys
from nsbridge import privilege
from nsbridge.record import holder
privilege.enter(holder("e2e-attacked"))
from nsbridge.lab import Lab
from nsbridge.study.attacks import attack
lab = Lab.find("e2e-attacked")
print(json.dumps({side: attack(lab, side) for side in "ab"}))
"""
STRAINS = {
    "instances": ("instances",),
    "watches": ("watches", "/run/nsbridge"),
    "threads": ("threads",),
    "disk": ("disk", "/run/nsbridge"),
    "queues": ("queues",),
}
HURRIED = (
    "import sys, nsbridge.programs.client as client; client.PATIENCE, client.SILENCE = 0.5, 1.0;"
    "sys.exit(client.main(sys.argv[1:]))"
)


@dataclass(frozen=True)
class Attacked(Inside):
    """A lab, and how its attempts ended."""

    found: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def lab(user: User) -> Iterator[Attacked]:
    user.up("e2e-attacked", "mnt-ipc")
    done = user.run(sys.executable, "-c", ATTACK)
    assert done.returncode == 0, done.stderr.decode()
    yield Attacked(user, "e2e-attacked", json.loads(done.stdout))
    assert user.nsbridge("down", "--name", "e2e-attacked").returncode == 0


@pytest.mark.parametrize("attempt", REFUSALS)
@pytest.mark.parametrize("side", ["a", "b"])
def test_an_attempt_is_refused(lab: Attacked, side: str, attempt: str) -> None:
    assert lab.found[side][attempt] in REFUSALS[attempt].answers


def test_every_attempt_has_its_expected_refusal(lab: Attacked) -> None:
    assert list(lab.found["a"]) == list(lab.found["b"]) == list(REFUSALS)


@pytest.mark.parametrize("what", ["instances", "threads"])  # what is limited in another way without root
def test_whoever_uses_everything_up_starves_nobody_silently(lab: Attacked, what: str) -> None:
    starve(lab, what)


@pytest.mark.parametrize("user", ["root"], indirect=True)
@pytest.mark.parametrize("what", ["watches", "disk", "queues"])
def test_who_uses_up_what_root_limits_starves_nobody_silently(lab: Attacked, what: str) -> None:
    starve(lab, what)


def starve(lab: Attacked, what: str) -> None:
    """Use something up in A and in B; a client must be served or told, the host have its own, the bridge live on."""
    bridge = lab.user.status(lab.name)["bridge"]["pid"]
    argv = python_argv("nsbridge.programs.strain", *STRAINS[what])
    with ExitStack() as stack:
        strains = [
            stack.enter_context(
                subprocess.Popen(lab.inside(side, *argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for side in ("a", "b")
        ]
        for process in strains:
            assert process.stdout is not None
            assert process.stdout.readline().split()[1] in ("EMFILE", "ENOSPC", "EAGAIN")
        client = lab.inside("a", *PYTHON, "-c", HURRIED, "mnt", "/run/nsbridge")
        done = subprocess.run(client, input=b"still\n", capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, b"still\n") or (done.returncode and done.stderr), done
        host_still_has_its_own(lab.user)
        for process in strains:
            process.communicate(timeout=60)
    assert lab.user.status(lab.name)["bridge"]["pid"] == bridge
    assert lab.user.nsbridge("client", "--name", lab.name, stdin=b"again\n").stdout == b"again\n"


def host_still_has_its_own(user: User) -> None:
    """See to it that the same user has inotify, threads, queues and disk on the host."""
    code = (
        "import threading, tempfile, sysv_ipc; from nsbridge.media import inotify;"
        "inotify.add_watch(inotify.init(), tempfile.mkdtemp(), 2);"
        "threading.Thread(target=int).start(); sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX).remove();"
        "tempfile.TemporaryFile().write(bytes(1 << 20))"
    )
    done = user.run(sys.executable, "-W", "ignore", "-c", code)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_container_has_no_more_tasks_and_namespaces_than_it_may(lab: Attacked, side: str) -> None:
    """The kernel's own files are the witness."""
    cat = lab.inside(side, *PYTHON, "-c", "print(open('/proc/self/limits').read())")
    limits = subprocess.run(cat, capture_output=True, text=True, check=True).stdout
    assert [line.split()[2:4] for line in limits.splitlines() if line.startswith("Max processes")] == [["4096"] * 2]
