"""Root file systems and config.json files of the user's, in all six pairs, as root and as an ordinary user."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from .host import User, busybox_root
from .test_pairs import PAIRS

LINES = b"\n\xff\0\n" + b"z" * 20_000 + b"\nlast"


@pytest.fixture(scope="module")
def given(place: Path) -> Path:
    """A folder with a root file system of a busybox alone, and what a plain `runc spec` writes."""
    folder = place / "given"
    busybox_root(folder / "rootfs")
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    folder.chmod(0o755)
    (folder / "config.json").chmod(0o644)
    return folder


def content(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def echoed_and_down(user: User, name: str) -> None:
    done = user.nsbridge("client", "--name", name, stdin=LINES)
    assert (done.returncode, done.stdout, done.stderr) == (0, LINES, b"")
    assert user.nsbridge("down", "--name", name).returncode == 0


@pytest.mark.parametrize("pair", PAIRS)
def test_a_lone_busybox_and_a_plain_runc_spec_make_both_containers(user: User, given: Path, pair: str) -> None:
    untouched, before = content(given), user.traces()
    done = user.up("e2e-given", pair, "--rootfs", given / "rootfs", "--config", given / "config.json")
    said = done.stderr.decode()
    for role in "ab":
        assert f'  {role}: hostname: "runc" → "{role}"' in said
        assert f"  {role}: linux.namespaces: + user, cgroup" in said
        assert f'  {role}: process.args: ["sh"] → ' in said
        root = Path(f"/proc/{user.status('e2e-given')[role]['pid']}/root")
        assert sorted(place.name for place in (root / "bin").iterdir()) == ["busybox"]
    echoed_and_down(user, "e2e-given")
    assert content(given) == untouched
    assert user.traces() == before


@pytest.mark.parametrize(("role", "other"), [("a", "b"), ("b", "a")])
def test_one_container_may_have_a_root_and_a_config_of_its_own(
    user: User, given: Path, role: str, other: str
) -> None:
    mine = [f"--rootfs={role}={given / 'rootfs'}", f"--config={role}={given / 'config.json'}"]
    said = user.up("e2e-one", "ipc-mnt", *mine).stderr.decode()
    assert f"  {role}: hostname" in said
    assert f"  {other}: " not in said
    status = user.status("e2e-one")
    shells = {side: Path(f"/proc/{status[side]['pid']}/root/bin/sh").is_symlink() for side in "ab"}
    assert shells == {role: False, other: True}
    echoed_and_down(user, "e2e-one")


def test_a_config_keeps_what_the_lab_does_not_need(user: User, given: Path) -> None:
    config = json.loads((given / "config.json").read_text())
    config["process"]["args"] = ["true"]  # an init that ends at once would take its namespaces with it
    config["process"]["env"].append("GREETING=hello")
    config["linux"]["maskedPaths"].append("/proc/version")
    changed = given / "changed.json"
    changed.write_text(json.dumps(config))
    changed.chmod(0o644)
    user.up("e2e-kept", "mnt-ipc", "--config", changed)
    pid = user.status("e2e-kept")["a"]["pid"]
    assert b"GREETING=hello" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert Path(f"/proc/{pid}/root/proc/version").read_bytes() == b""
    echoed_and_down(user, "e2e-kept")
