"""What cannot be: one line on stderr, an exit code other than 0, and nothing left behind."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .host import NSBRIDGE, Done, User

Config = dict[str, Any]
LIMIT = "/proc/sys/user/max_user_namespaces"
SANDBOX = """
import errno, os, pyseccomp, sys
rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "unshare", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 0x10000000, 0x10000000))
rules.load()
os.execv(sys.argv[1], sys.argv[1:])
"""
pytestmark = pytest.mark.usefixtures("nothing_left")


def refused(done: Done, *words: str) -> str:
    """Return the one line that a refusal consists of."""
    said = done.stderr.decode().splitlines()
    errors = [line for line in said if line.startswith("nsbridge: ")]
    assert done.returncode not in (0, -11), done
    assert said[-1:] == errors, said
    assert b"Traceback" not in done.stderr
    for word in words:
        assert word in errors[0]
    return errors[0]


@pytest.mark.parametrize("pair", ["net-net", "foo-ipc", "net", "net-ipc-mnt", "NET-IPC", "", "net ipc"])
def test_an_unknown_pair(user: User, pair: str) -> None:
    refused(user.nsbridge("up", "--pair", pair), repr(pair), "net-ipc, net-mnt, ipc-net, ipc-mnt, mnt-net, mnt-ipc")


@pytest.mark.parametrize("command", ["bench"])
def test_an_unknown_pair_is_refused_before_anything_is_made(user: User, command: str) -> None:
    refused(user.nsbridge(command, "--pair", "net-ipc", "nonsense"), "'nonsense'")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "-x", "x" * 41, "a b", "ä", "a\n"])
@pytest.mark.parametrize("command", ["up", "status", "client", "inspect", "down"])
def test_a_name_that_cannot_be_one(root: User, command: str, name: str) -> None:
    refused(root.nsbridge(command, f"--name={name}"), "no name for a lab")


@pytest.mark.parametrize(
    "words",
    [(), ("fly",), ("up", "--fly"), ("status", "more"), ("up", "--pair"), ("bench", "--pair"), ("up", "--name")],
)
def test_an_unknown_command_or_option(root: User, words: tuple[str, ...]) -> None:
    refused(root.nsbridge(*words), "--help`")


@pytest.mark.parametrize("command", ["status", "client", "inspect"])
@pytest.mark.parametrize("words", [(), ("--name", "e2e-none")])
def test_no_such_lab(user: User, command: str, words: tuple[str, ...]) -> None:
    name = words[1] if words else "lab"
    refused(user.nsbridge(command, *words), f"there is no lab {name!r}", f"nsbridge up --name {name}")


def test_down_of_what_is_not_there_succeeds(user: User) -> None:
    for words in (("--name", "e2e-none"), (), ("--all",)):
        done = user.nsbridge("down", *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("missing", ["runc", "busybox"])
def test_a_missing_program(user: User, tmp_path: Path, missing: str) -> None:
    path = str(tmp_path)
    for name in {"runc", "busybox"} - {missing}:
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    refused(user.nsbridge("up", "--name", "e2e-bare", PATH=path), f"{missing} is missing", "apt-get install")
    done = user.nsbridge("preflight", PATH=path)
    refused(done, f"{missing} is missing")
    assert "missing" in done.stdout.decode()


FORBID = {
    "limit": ["unshare", "--user", "{map}", "--keep-caps", "sh", "-c", 'echo 0 >{limit} && exec "$@"', "sh"],
    "filter": [sys.executable, "-c", SANDBOX],
}


@pytest.mark.parametrize(
    ("how", "fix"), [("limit", "sudo sysctl user.max_user_namespaces=10000"), ("filter", "sandbox")]
)
def test_a_host_that_forbids_user_namespaces(user: User, how: str, fix: str) -> None:
    """A user namespace whose limit of further ones is 0 is such a host, and a sandbox's seccomp filter makes one."""
    place = {"map": "--map-root-user" if user.root else "--map-user=1000", "limit": LIMIT}
    wrapped = [word.format(**place) if "{" in word else word for word in FORBID[how]]
    for command in ("up", "preflight"):
        done = user.run(*wrapped, NSBRIDGE, command)
        refused(done, "user namespaces are forbidden to you", fix, "be root")
    assert "Python 3" in done.stdout.decode()


def test_a_home_that_is_not_writable(user: User, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for home in (file, file / "below", Path("/proc/home"), Path("/proc/self")):
        done = user.nsbridge("up", "--name", "e2e-home", NSBRIDGE_HOME=str(home))
        refused(done, "NSBRIDGE_HOME", str(home))


def test_a_home_of_somebody_else(student: User, root: User) -> None:
    done = student.nsbridge("up", "--name", "e2e-home", NSBRIDGE_HOME=str(root.home))
    refused(done, str(root.home), "Permission denied", "NSBRIDGE_HOME")


def test_a_rootfs_that_is_none(user: User, place: Path) -> None:
    folder, file = place / "empty", place / "file"
    folder.mkdir(exist_ok=True)
    file.touch()
    for given, word in ((place / "none", "No such file"), (folder, "is empty"), (file, "Not a directory")):
        refused(user.nsbridge("up", "--name", "e2e-root", "--rootfs", given), str(given), word)
        refused(user.nsbridge("up", "--name", "e2e-root", "--rootfs", f"b={given}"), str(given), word)


NONSENSE: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "is not JSON"),
    "nothing": ("", "is not JSON"),
    "not text": ("\udcff\udcfe", "is not JSON"),
    "a list": ("[]", "must be an object"),
    "deep": ("[" * 100_000, "is not JSON"),
    "no version": ('{"process": {}, "root": {}}', "ociVersion is missing"),
}
EDITS: dict[str, tuple[str, Any, str]] = {
    "another version": ("ociVersion", "7.0.0", "only 1.x is known"),
    "no process": ("process", None, "process must be an object"),
    "arguments in a string": ("process.args", "sh -c ls", "process.args must be a list"),
    "a user by name": ("process.user.uid", "root", "process.user.uid must be a whole number"),
    "mounts by name": ("mounts", ["/proc"], "mounts[0] must be an object"),
    "namespaces by name": ("linux.namespaces", {"net": True}, "linux.namespaces must be a list"),
    "a kind that is none": ("linux.namespaces", [{"type": "time travel"}], "time travel"),
    "a hook that is not there": ("hooks", {"prestart": [{"path": "/no/such/hook"}]}, "/no/such/hook"),
    "a mount that cannot be": ("mounts", [{"destination": "/x", "type": "nofs", "source": "x"}], "runc create"),
    "a sysctl that is none": ("linux.sysctl", {"no.such.thing": "1"}, "no.such.thing"),
    "a rootfs propagation that is none": ("linux.rootfsPropagation", "sideways", "sideways"),
}


@pytest.fixture(scope="module")
def spec(place: Path) -> Config:
    folder = place / "spec"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").unlink(missing_ok=True)
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    config: Config = json.loads((folder / "config.json").read_text())
    return config


@pytest.mark.parametrize("kind", [*NONSENSE, *EDITS])
def test_a_config_that_was_edited_into_nonsense(user: User, place: Path, spec: Config, kind: str) -> None:
    if kind in NONSENSE:
        text, word = NONSENSE[kind]
    else:
        key, value, word = EDITS[kind]
        *parents, name = key.split(".")
        edited = inner = json.loads(json.dumps(spec))
        for parent in parents:
            inner = inner[parent]
        inner[name] = value
        text = json.dumps(edited)
    file = place / "nonsense.json"
    file.write_text(text, errors="surrogateescape")
    file.chmod(0o644)
    refused(user.nsbridge("up", "--name", "e2e-nonsense", "--config", file), word)


def test_a_config_that_cannot_be_read(user: User, place: Path) -> None:
    for file in (place, place / "none.json"):
        refused(user.nsbridge("up", "--name", "e2e-nonsense", "--config", file), str(file), "cannot read")
