"""Namespaces as lsns(8) and readlink see them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nsbridge.errors import HostError
from nsbridge.namespaces import Kind, identify, shared

JOIN = """
import os, sys, threading
from nsbridge.errors import HostError
from nsbridge.namespaces import Kind, identify, join
pid, kind, threads = int(sys.argv[1]), Kind[sys.argv[2]], int(sys.argv[3])
pidfd = os.pidfd_open(pid)
for _ in range(threads):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
if len(sys.argv) > 4:
    os.kill(pid, 9)
    sys.stdin.read()  # its end says that the process was reaped
try:
    join(pidfd, kind)
except HostError as error:
    print(error)
else:
    print("joined", identify()[kind])
"""


@pytest.fixture
def apart() -> Iterator[subprocess.Popen[bytes]]:
    """A process in namespaces of its own, but for CGROUP and PID."""
    argv = ["unshare", "--user", "--map-root-user", "--uts", "--mount", "--net", "--ipc", "sh", "-c", "echo; cat"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def join(pid: int, kind: Kind, threads: int = 0) -> str:
    argv = [sys.executable, "-c", JOIN, str(pid), kind.name, str(threads)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_the_inodes_are_those_of_lsns(apart: subprocess.Popen[bytes]) -> None:
    listing = subprocess.run(
        ["lsns", "--json", "--output", "NS,TYPE", "--task", str(apart.pid)], capture_output=True, check=True
    ).stdout
    seen = {entry["type"]: int(entry["ns"]) for entry in json.loads(listing)["namespaces"]}
    found = {kind.proc: inode for kind, inode in identify(apart.pid).items()}
    assert found == {kind: inode for kind, inode in seen.items() if kind != "time"}


def test_one_is_oneself() -> None:
    for kind, inode in identify().items():
        assert os.readlink(f"/proc/self/ns/{kind.proc}") == f"{kind.proc}:[{inode}]"
    assert identify() == identify("self") == identify(os.getpid())


def test_shared_kinds_are_those_that_were_not_unshared(apart: subprocess.Popen[bytes]) -> None:
    assert shared(identify(), identify(apart.pid)) == {Kind.CGROUP, Kind.PID}
    assert shared(identify(), identify()) == set(Kind)


def test_of_a_process_that_is_gone_nothing_is_known(apart: subprocess.Popen[bytes]) -> None:
    apart.kill()
    apart.wait()
    with pytest.raises(HostError, match=f"process {apart.pid}: .*still running"):
        identify(apart.pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may join without joining USER")
@pytest.mark.parametrize("kind", [Kind.UTS, Kind.NET, Kind.IPC, Kind.MNT, Kind.USER])
def test_a_namespace_is_joined(apart: subprocess.Popen[bytes], kind: Kind) -> None:
    assert join(apart.pid, kind) == f"joined {identify(apart.pid)[kind]}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may join without joining USER")
@pytest.mark.parametrize("kind", [Kind.MNT, Kind.USER])
def test_a_process_with_threads_cannot_join_mnt_or_user(apart: subprocess.Popen[bytes], kind: Kind) -> None:
    assert join(apart.pid, kind, threads=1) == f"cannot join the {kind.name} namespace: Invalid argument"
    assert join(apart.pid, Kind.NET, threads=1).startswith("joined")


def test_who_lacks_the_privilege_is_told(apart: subprocess.Popen[bytes]) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    argv = [*nobody, sys.executable, "-c", JOIN, str(os.getpid()), "NET", "0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "cannot join the NET namespace: Operation not permitted"


def test_a_process_that_died_meanwhile_cannot_be_joined(apart: subprocess.Popen[bytes]) -> None:
    argv = [sys.executable, "-c", JOIN, str(apart.pid), "NET", "0", "kill"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as joiner:
        apart.wait()
        assert joiner.communicate()[0].strip() == "cannot join the NET namespace: No such process"
