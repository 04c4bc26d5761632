"""A container that is started again is joined again, whoever started it; a bridge that dies is replaced."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from nsbridge.alive import Process
from nsbridge.lab import Lab
from nsbridge.namespaces import identify

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="module")
def lab(root: object) -> Iterator[Lab]:
    with Lab("ipc-net", "again") as lab:
        yield lab.up().supervise()


def echo(lab: Lab, line: bytes) -> bytes:
    argv = Lab.find(lab.name).client_argv()
    return subprocess.run(argv, input=line, capture_output=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("part", ["a", "b", "bridge"])
def test_a_part_that_is_restarted_is_another_process_and_the_echo_comes(lab: Lab, part: str) -> None:
    before = Lab.find(lab.name).pids()
    Lab.find(lab.name).restart(part)
    after = Lab.find(lab.name).pids()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {part, "bridge"}  # the bridge ends with a container
    assert echo(lab, b"again\n") == b"again\n"
    bridge, a, b = (identify(after[name]) for name in ("bridge", "a", "b"))
    assert {kind.name for kind in a if a[kind] == bridge[kind]} == {"IPC"}
    assert {kind.name for kind in b if b[kind] == bridge[kind]} == {"NET", "USER"}


def test_a_container_that_runc_starts_again_from_outside_is_joined(lab: Lab) -> None:
    before = Lab.find(lab.name).status()
    runc = ["runc", "--root", "/run/runc"]
    log = lab.folder / "outside.log"
    subprocess.run([*runc, "delete", "--force", lab.b.id], check=True)
    with log.open("wb") as output:
        create = [*runc, "create", "--bundle", str(lab.b.bundle), lab.b.id]
        subprocess.run(create, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)
    subprocess.run([*runc, "start", lab.b.id], check=True)
    assert echo(lab, b"from outside\n") == b"from outside\n"
    after = Lab.find(lab.name).status()
    assert after["bridge"]["restarts"] == before["bridge"]["restarts"] + 1
    assert after["bridge"]["reason"] == "container b died"
    assert after["b"]["pid"] != before["b"]["pid"]  # the inode numbers may be the same: nobody has them meanwhile
    assert after["b"]["namespaces"]["net"] == after["bridge"]["namespaces"]["net"]


def test_a_supervisor_that_was_killed_is_replaced_by_the_next_command(lab: Lab) -> None:
    before = Lab.find(lab.name)
    Process.of(before.status()["supervisor"]["pid"]).kill()
    assert not Lab.find(lab.name).supervised()
    subprocess.run(
        [sys.executable, "-m", "nsbridge.cli", "status", "--name", lab.name], capture_output=True, check=True
    )
    deadline = time.monotonic() + 10
    while not Lab.find(lab.name).supervised() and time.monotonic() < deadline:
        time.sleep(0.05)
    Lab.find(lab.name).restart("bridge")
    assert echo(lab, b"and mends\n") == b"and mends\n"
