"""What a container plants where the bridge comes by: links, modules, libraries, and more than a log should hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .host import User, busybox_root, wait_until
from .inside import PYTHON, Inside

pytestmark = pytest.mark.usefixtures("nothing_left")

PLANTED_LINK = """
import os, sys, time
target, deadline = sys.argv[1], time.monotonic() + 20
while time.monotonic() < deadline:
    for name in os.listdir("/run/nsbridge/open"):
        try:
            os.symlink(target, f"/run/nsbridge/open/{name}/{sys.argv[2]}/0")
        except FileExistsError:
            pass
        except FileNotFoundError:
            pass
        else:
            print("planted", flush=True)
            sys.exit()
"""


@pytest.mark.parametrize(
    ("user", "pair", "side", "folder"),
    [("root", "mnt-net", "a", "up"), ("root", "net-mnt", "b", "down")],
    indirect=["user"],
)
def test_a_planted_link_is_not_followed_by_the_bridge(user: User, pair: str, side: str, folder: str) -> None:
    name = "e2e-planted"
    user.up(name, pair)
    lab = Inside(user, name)
    planter = subprocess.Popen(
        lab.inside(side, *PYTHON, "-c", PLANTED_LINK, "/etc/passwd", folder), stdout=subprocess.PIPE
    )
    client = user.begin("client", "--name", name)
    assert planter.communicate(timeout=30)[0] == b"planted\n"
    out, errors = client.communicate(b"a line\n", timeout=30)
    assert (client.returncode, out, errors) == (0, b"a line\n", b"")  # through another stream
    log = (user.home / "labs" / name / "bridge.log").read_text()
    assert "a stream broke" in log
    assert "root:" not in out.decode()
    assert user.nsbridge("down", "--name", name).returncode == 0


def planted_root(folder_of_it: Path, witness: str) -> Path:
    """Make a root file system full of what a Python that looks there would import, execute or load."""
    root = busybox_root(folder_of_it)
    code = f"open({witness!r}, 'w').close()\n"
    folders = {Path(entry) for entry in sys.path if entry.startswith("/")} | {Path("/"), Path.cwd()}
    for folder in sorted(each for each in folders if each.suffix != ".zip"):
        target = root / folder.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        for module in ("json", "threading", "sysv_ipc", "traceback", "linecache", "struct", "encodings"):
            (target / f"{module}.py").write_text(code)
    machine = os.uname().machine
    for place in ("lib", "lib64", "usr/lib", f"usr/lib/{machine}-linux-gnu", f"lib/{machine}-linux-gnu"):
        (root / place).mkdir(parents=True, exist_ok=True)
        for library in ("libgcc_s.so.1", "libc.so.6", "libnss_files.so.2", "sysv_ipc.so"):
            (root / place / library).write_bytes(b"\x7fELF planted")
    for path in root.rglob("*"):
        path.chmod(0o755)
    return root


@pytest.mark.parametrize(
    ("user", "pair", "side"), [("root", "mnt-net", "a"), ("student", "ipc-mnt", "b")], indirect=["user"]
)
def test_the_bridge_imports_loads_and_opens_nothing_of_a_containers(
    user: User, pair: str, side: str, place: Path
) -> None:
    name, witness = "e2e-lure", "/run/nsbridge/pwned"
    root = planted_root(place / f"lure-{user.name}-{pair}", witness)
    user.up(name, pair, "--rootfs", f"{side}={root}")
    pid = user.status(name)["bridge"]["pid"]
    mapped = files_mapped(user, pid)
    for _ in range(2):  # threads begin and end; a stream breaks
        client = user.begin("client", "--name", name)
        assert client.stdin is not None
        client.stdin.write(b"x\n")
        client.stdin.flush()
        assert client.stdout is not None
        assert client.stdout.readline() == b"x\n"
        client.kill()
        client.communicate()
    assert user.nsbridge("client", "--name", name, stdin=b"y\n").stdout == b"y\n"
    assert files_mapped(user, pid) == mapped
    lab = Inside(user, name)
    look = lab.inside(side, *PYTHON, "-c", f"import os; print(os.path.exists({witness!r}))")
    assert subprocess.run(look, capture_output=True, text=True, check=True).stdout == "False\n"
    held = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()] if os.geteuid() == 0 else []
    assert not [
        path
        for path in held
        if path.startswith("/") and not path.startswith(("/run/nsbridge", "/dev/null", str(user.home)))
    ]
    assert user.nsbridge("down", "--name", name).returncode == 0


def files_mapped(user: User, pid: int) -> set[str]:
    """Return the files that a process has mapped, with their devices."""
    rows = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return {f"{row[3]} {row[5]}" for row in rows if len(row) > 5 and row[5].startswith("/")}


def test_a_bridge_may_write_only_so_much_into_its_log(root: User) -> None:
    root.up("e2e-log", "ipc-net")
    status = root.status("e2e-log")
    code = "import sysv_ipc\nq = sysv_ipc.MessageQueue(5566)\nfor _ in range(30000): q.send(b'', type=9)"
    lab = Inside(root, "e2e-log")
    subprocess.run(lab.inside("a", *PYTHON, "-c", code), check=True)
    log = root.home / "labs" / "e2e-log" / "bridge.log"
    assert wait_until(lambda: log.stat().st_size > (1 << 20) - 200)
    assert root.nsbridge("client", "--name", "e2e-log", stdin=b"still\n").stdout == b"still\n"
    assert log.stat().st_size <= 1 << 20
    assert root.status("e2e-log")["bridge"]["pid"] == status["bridge"]["pid"]
    os.kill(status["bridge"]["pid"], 9)
    assert wait_until(lambda: root.status("e2e-log")["bridge"]["restarts"] == 1)
    assert log.stat().st_size < 1000
    assert root.nsbridge("down", "--name", "e2e-log").returncode == 0
