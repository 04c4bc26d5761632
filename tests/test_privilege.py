"""Root and ordinary users: where labs are kept, and the outer user namespace; /proc is the witness."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nsbridge.alive import Process

ENTER = """
import json, os, sys
from pathlib import Path
from nsbridge import privilege
from nsbridge.alive import Process
from nsbridge.namespaces import identify
before = identify()
was = privilege.rootless()
privilege.enter(Process(*map(int, sys.argv[1:])) if sys.argv[1:] else None)
after = identify()
print(json.dumps({
    "was": was, "rootless": privilege.rootless(), "uid": os.geteuid(), "cwd": os.getcwd(),
    "map": Path("/proc/self/uid_map").read_text().split(),
    "changed": sorted(kind.proc for kind in after if after[kind] != before[kind]),
    "user": after[next(kind for kind in after if kind.proc == "user")], "host": privilege.host() == before,
}), flush=True)
sys.stdin.read()
"""


def ordinary(*words: str) -> list[str]:
    """The command, as somebody who is not root."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    return [*nobody, *words]


def told(argv: list[str]) -> dict[str, Any]:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/usr", check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def holder() -> Iterator[Process]:
    """A process of an ordinary user that has entered an outer namespace."""
    argv = ordinary(sys.executable, "-c", ENTER)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield Process.of(process.pid)


def test_an_ordinary_user_becomes_root_of_a_namespace_of_their_own() -> None:
    found = told(ordinary(sys.executable, "-c", ENTER))
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    assert (found["was"], found["rootless"], found["uid"], found["cwd"]) == (True, True, 0, "/usr")
    assert found["map"] == ["0", str(uid), "1"]
    assert found["changed"] == ["mnt", "user"]
    assert found["host"]


def test_the_namespaces_of_a_holder_are_entered_again(holder: Process) -> None:
    found = told(ordinary(sys.executable, "-c", ENTER, str(holder.pid), str(holder.start)))
    assert found["user"] == Path(f"/proc/{holder.pid}/ns/user").stat().st_ino
    assert (found["uid"], found["cwd"]) == (0, "/usr")


def test_a_holder_that_is_gone_is_replaced(holder: Process) -> None:
    found = told(ordinary(sys.executable, "-c", ENTER, str(holder.pid), str(holder.start - 1)))
    assert found["user"] != Path(f"/proc/{holder.pid}/ns/user").stat().st_ino
    assert found["changed"] == ["mnt", "user"]


@pytest.mark.skipif(os.geteuid() != 0, reason="root stays where it is, which only root can show")
def test_root_stays_where_it_is() -> None:
    found = told([sys.executable, "-c", ENTER])
    assert (found["was"], found["rootless"], found["changed"]) == (False, False, [])


@pytest.mark.parametrize(
    ("variables", "home"),
    [
        ({"NSBRIDGE_HOME": "/x", "XDG_STATE_HOME": "/y", "HOME": "/z"}, "/x"),
        ({"XDG_STATE_HOME": "/y", "HOME": "/z"}, "/y/nsbridge"),
        ({"HOME": "/z"}, "/z/.local/state/nsbridge"),
        ({"NSBRIDGE_HOME": "x"}, "/usr/x"),
        ({}, "there is no HOME to keep labs in; set NSBRIDGE_HOME to a folder of your own"),
    ],
)
def test_labs_are_kept_in_a_folder_of_the_users(variables: dict[str, str], home: str) -> None:
    program = "from nsbridge import privilege; print(privilege.home())"
    argv = ordinary(sys.executable, "-c", program)
    env = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, cwd="/usr", check=False)
    assert (done.stdout.strip() or done.stderr.strip().rpartition("Error: ")[2]) == home
