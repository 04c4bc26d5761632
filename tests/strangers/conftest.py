"""Labs for these tests, one for a pair."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from nsbridge.containers.roles import B
from nsbridge.endpoints import endpoint
from nsbridge.pairs import PAIRS

from .place import NSBRIDGE, Place
from .stage import Stage, first_server
from .tools import make_tools


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder for these labs alone."""
    if os.geteuid() != 0:
        pytest.skip("entering containers to look at them needs root")
    folder = Path(tempfile.mkdtemp(prefix="nsbridge-strangers-"))
    folder.chmod(0o755)
    before = os.environ.get("NSBRIDGE_HOME")
    os.environ["NSBRIDGE_HOME"] = str(folder)
    yield folder
    os.environ.pop("NSBRIDGE_HOME")
    if before is not None:
        os.environ["NSBRIDGE_HOME"] = before
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def make(home: Path) -> Iterator[Callable[..., Place]]:
    """Makes labs, and takes them down at the end."""
    names: list[str] = []

    def make(pair: str, *words: str | Path) -> Place:
        name = f"w{os.getpid()}-{len(names)}"
        names.append(name)
        done = subprocess.run(
            [NSBRIDGE, "up", "--pair", pair, "--name", name, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found = subprocess.run([NSBRIDGE, "status", "--name", name, "--json"], capture_output=True, check=True)
        return Place(name, pair, json.loads(found.stdout))

    yield make
    for name in names:
        subprocess.run([NSBRIDGE, "down", "--name", name], check=True)


@pytest.fixture(scope="session")
def tools(home: Path) -> Path:
    """A root file system with strangers' programs."""
    return make_tools(home / "tools")


@pytest.fixture(scope="session", params=PAIRS)
def lab(request: pytest.FixtureRequest, make: Callable[..., Place]) -> Place:
    """A lab of each pair."""
    return make(request.param)


@pytest.fixture(scope="session")
def stages(make: Callable[..., Place], tools: Path) -> Callable[[str], Stage]:
    """Return the lab of a pair whose server can be exchanged, made when first asked for."""

    @cache
    def of(pair: str) -> Stage:
        words = endpoint(pair.partition("-")[2], B)
        return Stage(make(pair, "--rootfs", tools, "--server", first_server(words)))

    return of


@pytest.fixture(scope="session", params=PAIRS)
def stage(request: pytest.FixtureRequest, stages: Callable[[str], Stage]) -> Stage:
    """A lab of each pair whose server can be exchanged."""
    return stages(request.param)
