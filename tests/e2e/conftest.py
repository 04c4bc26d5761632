"""Who runs the labs of this folder's tests: root, and an ordinary user whom root makes where there is none."""

import ctypes
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host import User, wait_until

ORDINARY = "student"
_CLONE_NEWIPC = 0x08000000


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder that everybody may search, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="nsbridge-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def quiet_host() -> None:
    """An IPC namespace for this process, so that the host's queues are ours alone to count."""
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).unshare(_CLONE_NEWIPC) == 0


@pytest.fixture(scope="session")
def root(place: Path, quiet_host: None) -> User:
    """Root of this host."""
    if os.geteuid() != 0:
        pytest.skip("root's labs need root")
    home = place / "root"
    home.mkdir()
    return settled(User("root", home))


@pytest.fixture(scope="session")
def student(place: Path, quiet_host: None) -> User:
    """An ordinary user: whoever runs the tests, or one whom root knows."""
    if os.geteuid() != 0:
        entry = pwd.getpwuid(os.geteuid())
    else:
        if ORDINARY not in {each.pw_name for each in pwd.getpwall()}:
            subprocess.run(["useradd", "--create-home", ORDINARY], check=True)
        entry = pwd.getpwnam(ORDINARY)
    home = place / "ordinary"
    home.mkdir()
    os.chown(home, entry.pw_uid, entry.pw_gid)
    return settled(User(entry.pw_name, home, {"HOME": entry.pw_dir, "USER": entry.pw_name}))


@pytest.fixture(scope="module", params=["root", "student"])
def user(request: pytest.FixtureRequest) -> User:
    """Each of the two."""
    found: User = request.getfixturevalue(request.param)
    return found


def settled(user: User) -> User:
    """Let the user's layers be built: they stay, and are no trace of a lab."""
    user.up("e2e-first", "net-ipc")
    assert user.nsbridge("down", "--name", "e2e-first").returncode == 0
    assert sorted(user.traces()["files"]) == ["layers"]
    return user


@pytest.fixture(scope="session")
def users(request: pytest.FixtureRequest) -> list[User]:
    """All who run labs here."""
    return [request.getfixturevalue(name) for name in ("root", "student") if name != "root" or os.geteuid() == 0]


@pytest.fixture
def nothing_left(users: list[User]) -> Iterator[None]:
    """See to it that the test leaves the host as it was; a process that was killed may take a moment to go."""
    before = [user.traces() for user in users]
    yield
    wait_until(lambda: [user.traces() for user in users] == before, seconds=3)
    assert [user.traces() for user in users] == before
