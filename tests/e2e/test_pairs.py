"""All six pairs, as root and as an ordinary user: what goes through them, and what the kernel says of them."""

import json
import os
import random
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from .host import KINDS, User, inodes, wait_until

PAIRS = ["-".join(pair) for pair in permutations(("net", "ipc", "mnt"), 2)]
HARD = [
    b"\n\n\n",
    b"nul \0\0 nul\n\0\n",
    b"\xff\xfe \xc3( not UTF-8\n",
    "grüße, 你好, 🌉\r\n".encode(),
    b"more than msgmax " * 1000 + b"\n",
    random.Random(7).randbytes(1 << 20).replace(b"\n", b"\0") + b"\n",
    b"a last line without its newline",
]


@dataclass(frozen=True)
class UpLab:
    """A lab that is up, and what the host was like before."""

    user: User
    name: str
    pair: str
    before: dict[str, list[str]]
    status: dict[str, Any]
    pids: dict[str, int]

    def client(self, *words: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        return self.user.nsbridge("client", "--name", self.name, *words, stdin=stdin)

    def side(self, kind: str) -> str | None:
        """The container whose namespace of this kind the bridge is in."""
        x, y = self.pair.split("-")
        return {x: "a", y: "b"}.get(kind)


@pytest.fixture(scope="module", params=PAIRS)
def lab(request: pytest.FixtureRequest, user: User) -> Iterator[UpLab]:
    name = f"e2e-{request.param}"
    before = user.traces()
    user.up(name, request.param)
    status = user.status(name)
    pids = {part: status[part]["pid"] for part in ("a", "bridge", "b")}
    yield UpLab(user, name, request.param, before, status, pids)
    done = user.nsbridge("down", "--name", name)
    assert (done.returncode, done.stderr) == (0, b"")
    assert user.traces() == before


@pytest.fixture(scope="module")
def proc(lab: UpLab) -> dict[str, dict[str, int]]:
    """Each part's namespaces as /proc has them, and the host's."""
    return {"host": inodes(os.getpid()), **{part: inodes(pid) for part, pid in lab.pids.items()}}


def test_hard_lines_come_back_byte_for_byte(lab: UpLab) -> None:
    done = lab.client(stdin=b"".join(HARD))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"".join(HARD)


def test_raw_bytes_come_back_up_to_the_end_of_file(lab: UpLab) -> None:
    data = random.Random(lab.name).randbytes(3 << 20)
    done = lab.client("--raw", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data
    assert lab.client(stdin=b"").stdout == b""


def test_several_clients_at_once_keep_apart(lab: UpLab) -> None:
    inputs = [b"".join(b"client %d line %d\n" % (number, line) for line in range(2000)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert [done.stdout for done in pool.map(lambda data: lab.client(stdin=data), inputs)] == inputs


def test_status_tells_what_proc_and_runc_tell(lab: UpLab, proc: dict[str, dict[str, int]]) -> None:
    assert (lab.status["name"], lab.status["pair"], lab.status["state"]) == (lab.name, lab.pair, "running")
    assert lab.status["bridge"]["restarts"] == 0
    for part in lab.pids:
        assert lab.status[part]["namespaces"] == proc[part]
    for side in "ab":
        state = lab.user.runc("state", lab.status[side]["id"])
        assert (state["pid"], state["status"]) == (lab.pids[side], "running")
    x, y = lab.pair.split("-")
    assert lab.status["a"]["endpoint"]["medium"] == x
    assert lab.status["b"]["endpoint"]["medium"] == y


def test_inspect_tells_what_proc_tells(lab: UpLab, proc: dict[str, dict[str, int]]) -> None:
    done = lab.user.nsbridge("inspect", "--name", lab.name, "--json")
    assert json.loads(done.stdout) == proc
    shown = lab.user.nsbridge("inspect", "--name", lab.name).stdout.decode()
    assert shown.split()[:5] == ["kind", "host", "a", "bridge", "b"]
    for part, kinds in proc.items():
        for kind in kinds:
            assert str(kinds[kind]) in shown, part


def test_the_bridge_shares_one_kind_with_each_and_a_and_b_share_none(
    lab: UpLab, proc: dict[str, dict[str, int]]
) -> None:
    assert not {*proc["a"].values()} & {*proc["b"].values()}
    for side in "ab":
        assert not {*proc[side].values()} & {*proc["host"].values()}
    # USER is of the container behind MNT, where there is one, for that owns the files that the bridge makes
    owner = "a" if lab.pair.startswith("mnt") else "b"
    for kind in KINDS:
        sharing = [side for side in "ab" if proc[side][kind] == proc["bridge"][kind]]
        expected = owner if kind == "user" else lab.side(kind)
        assert sharing == [expected] * (expected is not None), kind


def test_the_serving_bridge_has_no_privilege_left(lab: UpLab) -> None:
    lines = Path(f"/proc/{lab.pids['bridge']}/status").read_text().splitlines()
    status = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert int(status[f"Cap{kind}"][0], 16) == 0, kind
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    base = 100_000 if lab.pair.startswith("mnt") else 200_000
    home = lab.user.home.stat()
    ids = (base + 65533, base + 65533) if lab.user.root else (home.st_uid, home.st_gid)
    assert (status["Uid"], status["Gid"]) == ([str(ids[0])] * 4, [str(ids[1])] * 4)


NEEDED = {
    "": ["/dev/null", "/dev/null", "bridge.log", "pidfd", "pidfd"],
    "net x": ["socket", "socket"],
    "ipc x": ["eventfd", "eventpoll"],
    "ipc y": ["eventfd", "eventpoll"],
    "mnt x": ["/run/nsbridge/lock", "inotify"],
    "mnt y": ["inotify"],
    "net y": [],
}


def test_the_serving_bridge_holds_no_descriptor_but_those_it_needs(lab: UpLab) -> None:
    x, y = lab.pair.split("-")
    place = Path(f"/proc/{lab.pids['bridge']}/fd")

    def held() -> list[str]:
        links = [os.readlink(place / name) for name in os.listdir(place)]
        return sorted(
            re.sub(r"anon_inode:\[?(\w+)\]?|(socket):.*|.*/(bridge\.log)", r"\1\2\3", link) for link in links
        )

    needed = sorted(NEEDED[""] + NEEDED[f"{x} x"] + NEEDED[f"{y} y"])
    wait_until(lambda: held() == needed)  # the stream of an earlier test may be at its end
    assert held() == needed


def test_the_serving_bridge_sees_no_file_of_the_host(lab: UpLab) -> None:
    place = Path(f"/proc/{lab.pids['bridge']}")
    seen = [line.split()[4] for line in (place / "mountinfo").read_text().splitlines()]
    if "mnt" in lab.pair:
        side = "a" if lab.pair.startswith("mnt") else "b"
        inside = Path(f"/proc/{lab.pids[side]}/mountinfo").read_text().splitlines()
        assert seen == [line.split()[4] for line in inside]
    else:
        assert seen == []
        assert os.listdir(place / "root/") == os.listdir(place / "cwd/") == []


def test_the_serving_bridge_has_limits(lab: UpLab) -> None:
    rows = [re.split(r"\s{2,}", row) for row in Path(f"/proc/{lab.pids['bridge']}/limits").read_text().splitlines()]
    limits = {row[0]: row[1:3] for row in rows}
    assert limits["Max processes"] == ["8192"] * 2
    assert limits["Max address space"] == [str(4 << 30)] * 2
    assert limits["Max file size"] == [str(1 << 20)] * 2
    assert limits["Max core file size"] == ["0"] * 2


def test_an_open_stream_is_seen_inside_both_containers(lab: UpLab) -> None:
    with lab.user.begin("client", "--name", lab.name, "--raw") as client:
        assert client.stdin
        assert client.stdout
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"hello\n"
        assert streams(lab, "a") == streams(lab, "b") == 1
        assert client.communicate() == (b"", b"")
    assert client.returncode == 0
    assert wait_until(lambda: streams(lab, "a") == streams(lab, "b") == 0)


def streams(lab: UpLab, side: str) -> int:
    """Count the streams that are open at the bridge's endpoint in a container, by the host's programs."""
    endpoint, pid = lab.status[side]["endpoint"], lab.pids[side]
    if endpoint["medium"] == "net":
        listing = lab.user.within(pid, "net", "ss", "-Htn", "state", "established")
        return len(
            re.findall(rf" {re.escape(endpoint['address'])}:{endpoint['port']} +\S+ *$", listing, re.MULTILINE)
        )
    if endpoint["medium"] == "ipc":
        rows = lab.user.within(pid, "ipc", "cat", "/proc/sysvipc/msg").splitlines()[1:]
        keys = [int(row.split()[0]) for row in rows]
        assert endpoint["key"] in keys
        return (len(keys) - 1) // 2
    return len(os.listdir(f"/proc/{pid}/root{endpoint['path']}/open"))


@pytest.mark.parametrize("lab", ["net-ipc", "net-mnt"], indirect=True)
def test_a_stranger_talks_through_the_bridge(lab: UpLab) -> None:
    argv = lab.user.argv(
        "nsenter", "--target", str(lab.pids["a"]), *[] if lab.user.root else ["-U", "--preserve-credentials"]
    )
    done = subprocess.run(
        [*argv, "--net", "nc", "-N", "10.77.1.1", "7"], input=b"".join(HARD), capture_output=True, check=True
    )
    assert done.stdout == b"".join(HARD)
