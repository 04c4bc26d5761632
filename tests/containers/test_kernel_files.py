"""What the kernel's files say, read from records of other hosts: cgroups, mounts, roots."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from nsbridge.containers.cgroups import cgroup_path, hierarchies
from nsbridge.containers.processes import root_source
from nsbridge.containers.rootfs import fill, mount_points

V1 = """\
sysfs /sys sysfs rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,relatime,pids 0 0
"""
V2 = """\
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0
"""
MOUNTINFO = """\
600 500 0:50 / / rw,relatime - overlay /home/some\\040one/labs/lab/a rw,lowerdir=/x,upperdir=/y,workdir=/z
601 600 0:51 / /proc rw,nosuid - proc proc rw
"""


@pytest.mark.parametrize(
    ("mounts", "places"),
    [
        (V1, ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"]),
        (V2, ["/sys/fs/cgroup"]),
        (
            V1 + V2.replace("/cgroup ", "/cgroup/unified "),
            ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"],
        ),
        ("", []),
    ],
    ids=["v1", "v2", "hybrid", "none"],
)
def test_cgroup_hierarchies_are_found(mounts: str, places: list[str]) -> None:
    assert hierarchies(mounts) == [Path(place) for place in places]


def test_the_cgroup_of_a_container_has_no_parent_of_its_own() -> None:
    assert cgroup_path("lab-a") == "/nsbridge-lab-a"


def test_a_processs_root_is_known_by_the_source_of_its_overlay() -> None:
    assert root_source(MOUNTINFO) == "/home/some one/labs/lab/a"
    assert root_source(MOUNTINFO.replace(" / / ", " / /elsewhere ")) is None
    assert root_source("") is None


def test_mount_points_within_other_mounts_are_not_ours() -> None:
    mounts: list[dict[str, Any]] = [
        {"destination": "/proc"},
        {"destination": "/proc/sys"},
        {"destination": "/data/../etc/file", "source": "/f", "options": ["rbind"]},
        {"destination": "/"},
    ]
    assert [*mount_points(mounts)] == [(PurePosixPath("proc"), None), (PurePosixPath("etc/file"), "/f")]


def test_what_the_root_lacks_is_made_beside_it(tmp_path: Path) -> None:
    for name in ("lower/etc", "upper"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    mounts: list[dict[str, Any]] = [
        {"destination": "/etc/file", "source": "file", "options": ["bind"]},
        {"destination": "/a/b"},
    ]
    fill(tmp_path, mounts, owner=tmp_path.stat().st_uid, writable=True)
    assert (tmp_path / "upper/etc/file").is_file()
    assert (tmp_path / "upper/a/b").is_dir()
    assert (tmp_path / "upper/tmp").stat().st_mode & 0o7777 == 0o1777
    assert [*(tmp_path / "lower").rglob("*")] == [tmp_path / "lower/etc"]


def test_a_symbolic_link_of_the_root_is_not_hidden(tmp_path: Path) -> None:
    (tmp_path / "lower").mkdir()
    (tmp_path / "upper").mkdir()
    (tmp_path / "lower/opt").symlink_to("/var/opt")
    fill(tmp_path, [{"destination": "/opt/nsbridge"}], owner=0, writable=False)
    assert [*(tmp_path / "upper").iterdir()] == []
