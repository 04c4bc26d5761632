"""What the tests of this folder share: a home that every container's root may search, and a container in it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nsbridge.containers.busybox import busybox
from nsbridge.containers.container import Container
from nsbridge.containers.roles import A, Role
from nsbridge.containers.runc import Runc

Make = Callable[[Role], Container]


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder outside pytest's own, which only its owner may search."""
    place = Path(tempfile.mkdtemp(prefix="nsbridge-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def rootless() -> bool:
    """Whether this process is root of a user namespace only (user_namespaces(7))."""
    return Path("/proc/self/uid_map").read_text().split()[2] != "4294967295"


@pytest.fixture
def make(home: Path, rootless: bool) -> Iterator[Make]:
    """Makes containers of a lab, and stops them when the test is over."""
    if os.geteuid() != 0:
        pytest.skip("test_rootless.py runs this test in a user namespace")
    made: list[Container] = []

    def maker(role: Role) -> Container:
        name = f"test{os.getpid()}-{role.name}"
        made.append(Container(role, name, home / "labs" / role.name, home / "layers", Runc(home / "runc", rootless)))
        return made[-1]

    yield maker
    for container in made:
        container.stop()


@pytest.fixture
def container(make: Make) -> Container:
    return make(A)


@pytest.fixture
def small_root(home: Path) -> Iterator[Path]:
    """A user's root file system that holds a busybox and nothing else."""
    place = home / "root"
    (place / "bin").mkdir(parents=True)
    shutil.copy(busybox(), place / "bin" / "busybox")
    yield place
    shutil.rmtree(place)
