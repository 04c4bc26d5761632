"""Labs side by side, names in use, and labs of which a part is dead."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from .host import User, wait_until
from .test_bad_input import refused

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_labs_stand_side_by_side_and_a_name_is_used_once(user: User) -> None:
    names = ["e2e-one", "e2e-two", "e2e-three"]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(user.up, names, ["net-ipc", "net-ipc", "mnt-net"]))
    one = user.status("e2e-one")
    refused(
        user.nsbridge("up", "--name", "e2e-one", "--pair", "ipc-mnt"), "'e2e-one' is in use", "down --name e2e-one"
    )
    assert user.status("e2e-one") == one
    statuses = [user.status(name) for name in names]
    inodes = [inode for status in statuses for side in "ab" for inode in status[side]["namespaces"].values()]
    assert len(set(inodes)) == len(names) * 2 * 7
    lines = {name: f"this is {name}\n".encode() * 500 for name in names}
    for name in names:
        assert user.nsbridge("client", "--name", name, stdin=lines[name]).stdout == lines[name]
    assert user.nsbridge("down", "--name", "e2e-two").returncode == 0
    assert user.nsbridge("client", "--name", "e2e-one", stdin=b"still\n").stdout == b"still\n"
    refused(user.nsbridge("status", "--name", "e2e-two"), "no lab 'e2e-two'")
    for _ in range(2):
        done = user.nsbridge("down", "--all")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    refused(user.nsbridge("status", "--name", "e2e-one"), "no lab 'e2e-one'")


@pytest.mark.parametrize("part", ["a", "b"])
def test_a_lab_with_a_dead_container_says_so(user: User, part: str) -> None:
    user.up("e2e-dead", "mnt-ipc")
    os.kill(user.status("e2e-dead")[part]["pid"], signal.SIGKILL)
    assert wait_until(lambda: user.nsbridge("status", "--name", "e2e-dead").returncode == 1)
    done = user.nsbridge("status", "--name", "e2e-dead", "--json")
    refused(done, "a part of lab 'e2e-dead' is dead", "nsbridge down --name e2e-dead")
    assert json.loads(done.stdout)["state"] == "broken"
    refused(user.nsbridge("client", "--name", "e2e-dead", stdin=b"hi\n"), "is dead", "nsbridge down --name e2e-dead")
    assert user.nsbridge("inspect", "--name", "e2e-dead").returncode == 0
    done = user.nsbridge("down", "--name", "e2e-dead")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_killed_bridge_is_replaced(user: User) -> None:
    user.up("e2e-dead", "net-mnt")
    first = user.status("e2e-dead")["bridge"]["pid"]
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: user.status("e2e-dead")["bridge"]["restarts"] == 1)
    assert wait_until(lambda: user.nsbridge("client", "--name", "e2e-dead", stdin=b"hi\n").stdout == b"hi\n")
    second = user.status("e2e-dead")["bridge"]["pid"]
    assert second != first
    assert user.nsbridge("down", "--name", "e2e-dead").returncode == 0
