"""What is left to a confined process, tried by one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nsbridge.programs import landlock
from nsbridge.programs.confine import FORBIDDEN

# Each is an expression that a bridge taken over might try; it runs in the confined process.
ATTEMPTS = {
    "read a file of the host": "open('/etc/hostname')",
    "list a folder of the host": "os.listdir('/')",
    "write beside its folder": "open(folder + '/../planted', 'w')",
    "open a raw socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "open a UNIX socket": "socket.socket(socket.AF_UNIX)",
    "connect to another port": "socket.socket().connect(('127.0.0.1', 9))",
    "bind a port": "socket.socket().bind(('127.0.0.1', 0))",
    "signal another process": "os.kill(os.getppid(), 0)",
    "run a program": "os.execv('/bin/true', ['true'])",
    "make a user namespace": "call(libc.unshare(0x10000000))",
    "join a namespace": "call(libc.setns(0, 0))",
    "mount": "call(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))",
    "trace its parent": "call(libc.ptrace(16, os.getppid(), 0, 0))",
    "become somebody else": "os.setuid(0)",
    "get a root directory of its own": "os.chroot('/')",
}

SCRIPT = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
from nsbridge.programs import confine, landlock
folder = sys.argv[1] or None
if sys.argv[3:]:
    landlock.version = lambda: 0
confine.confine(folder, 7)
try:
    eval(sys.argv[2])
except OSError as error:
    print("refused", error.errno)
else:
    print("done")
"""


def confined(folder: Path | None, attempt: str, *options: str) -> str:
    """Try something in a confined process, begun as root of a user namespace; return what came of it.

    With the option `old` it is as on a kernel that has no Landlock.
    """
    argv = [
        "unshare",
        "--user",
        "--map-root-user",
        sys.executable,
        "-c",
        SCRIPT,
        str(folder or ""),
        attempt,
        *options,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("what", ATTEMPTS)
def test_a_confined_process_may_not(what: str, tmp_path: Path) -> None:
    assert landlock.version() >= 4, "this kernel has no Landlock for TCP; half of the attempts rest on it"
    assert confined(tmp_path, ATTEMPTS[what]) in ("refused 1", "refused 13")


def test_a_confined_process_keeps_the_folder_of_its_medium(tmp_path: Path) -> None:
    assert confined(tmp_path, "open(folder + '/mine', 'w').close()") == "done"
    assert (tmp_path / "mine").exists()


def test_a_confined_process_may_connect_to_the_servers_port(tmp_path: Path) -> None:
    refused_by_nobody_there = "refused 111"
    assert confined(tmp_path, "socket.socket().connect(('127.0.0.1', 7))") == refused_by_nobody_there


def test_the_document_names_every_step_that_the_list_of_calls_takes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "confinement.md").read_text()
    assert "programs/confine.py" in text
    assert {"setns", "unshare", "mount", "ptrace", "execve", "kill", "bpf"} <= set(FORBIDDEN)


WITHOUT_FILES = {
    "read a file of the host": "open('/etc/hostname')",
    "list a folder of the host": "os.listdir('/etc')",
    "leave by a parent": "os.stat('../../../etc')",
    "leave by its working directory": "os.stat('etc')",
    "leave by /proc": "os.stat('/proc/self/root/etc')",
    "make a file": "open('/planted', 'w')",
    "get another root": "os.chroot('/')",
}


@pytest.mark.parametrize("kernel", [(), ("old",)], ids=["as it is", "without Landlock"])
@pytest.mark.parametrize("what", WITHOUT_FILES)
def test_without_a_folder_no_file_is_within_reach(what: str, kernel: tuple[str, ...]) -> None:
    assert confined(None, WITHOUT_FILES[what], *kernel) in ("refused 1", "refused 2", "refused 13")


def test_without_a_folder_the_root_is_empty() -> None:
    assert confined(None, "os.listdir('/') == [] or call(-1)", "old") in ("done", "refused 2")


def test_a_file_may_have_only_so_many_bytes(tmp_path: Path) -> None:
    assert confined(tmp_path, "open(folder + '/log', 'wb', buffering=0).write(bytes(1 << 20))") == "done"
    assert (tmp_path / "log").stat().st_size == 1 << 20
    assert confined(tmp_path, "open(folder + '/log', 'ab', buffering=0).write(b'more')") == "refused 27"
