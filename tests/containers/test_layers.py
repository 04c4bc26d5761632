"""Layers built once, whole, and readable by all."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nsbridge.containers.base import base
from nsbridge.containers.layers import folder, layer
from nsbridge.containers.programs import programs
from nsbridge.errors import UsageError


def test_a_layer_is_built_once_even_where_several_want_it(tmp_path: Path) -> None:
    builds: list[Path] = []

    def build(root: Path) -> None:
        builds.append(root)
        time.sleep(0.05)
        (root / "file").write_text("x")

    ready = threading.Barrier(8)

    def want(_: int) -> Path:
        ready.wait()
        return layer(tmp_path, "name", "key", build)

    with ThreadPoolExecutor(8) as executor:
        places = set(executor.map(want, range(8)))
    assert places == {tmp_path / "name-key"}
    assert len(builds) == 1
    assert (tmp_path / "name-key" / "file").read_text() == "x"


def test_what_a_killed_builder_left_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "name.partial" / "deep").mkdir(parents=True)
    place = layer(tmp_path, "name", "key", lambda root: (root / "file").touch())
    assert [path.name for path in place.iterdir()] == ["file"]
    assert not (tmp_path / "name.partial").exists()


def test_a_build_that_fails_leaves_no_layer(tmp_path: Path) -> None:
    def build(root: Path) -> None:
        (root / "no" / "such" / "folder").mkdir()

    with pytest.raises(UsageError, match="NSBRIDGE_HOME"):
        layer(tmp_path, "name", "key", build)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        layers = [base(tmp_path / "new" / "cache"), programs(tmp_path / "new" / "cache")]
    finally:
        os.umask(before)
    for path in [tmp_path / "new", *layers, *(path for place in layers for path in place.rglob("*"))]:
        if not path.is_symlink():
            assert path.stat().st_mode & (0o555 if path.is_dir() else 0o444) == (0o555 if path.is_dir() else 0o444)


def test_base_is_busybox_with_its_applets(tmp_path: Path) -> None:
    place = base(tmp_path)
    assert (place / "bin" / "sh").readlink() == Path("/bin/busybox")
    assert (place / "bin" / "busybox").stat().st_mode & 0o111 == 0o111
    assert {path.name for path in place.iterdir()} >= {"dev", "etc", "proc", "root", "sys", "tmp"}


def test_programs_are_compiled(tmp_path: Path) -> None:
    place = programs(tmp_path) / "nsbridge"
    assert (place / "errors.py").exists()
    assert [*(place / "__pycache__").glob("errors.*.pyc")]
    assert not (place / "containers").exists()


@pytest.mark.parametrize("bad", ["file", "file/below"])
def test_a_folder_that_cannot_be_used_is_named_with_the_way_out(tmp_path: Path, bad: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"{tmp_path}/{bad} .*NSBRIDGE_HOME"):
        folder(tmp_path / bad)
