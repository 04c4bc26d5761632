"""The lab's needs put into a config.json; no container is made."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nsbridge.containers import config
from nsbridge.containers.adapt import Needs, adapt
from nsbridge.containers.runtime import python_env

SPECS = Path(__file__).parent / "specs"
NEEDS = Needs(
    args=["/bin/server"],
    env={"COLOUR": "blue"},
    hostname="a",
    cgroups_path="/nsbridge-lab-a",
    id_base=100_000,
    rootless=False,
)
KINDS = {"user", "mount", "pid", "network", "ipc", "uts", "cgroup"}


@pytest.fixture(params=["runc-1.1.5-spec.json", "runc-1.1.5-spec-rootless.json"])
def spec(request: pytest.FixtureRequest) -> config.Config:
    """What runc 1.1.5 wrote for `runc spec`, without and with `--rootless`."""
    return config.read(SPECS / request.param)


@pytest.fixture(params=[False, True], ids=["root", "rootless"])
def needs(request: pytest.FixtureRequest) -> Needs:
    return replace(NEEDS, rootless=request.param)


def test_a_plain_runc_spec_gets_what_the_lab_needs(spec: config.Config, needs: Needs) -> None:
    adapted, _ = adapt(spec, needs)
    assert adapted["process"]["args"] == ["/bin/server"]
    assert "COLOUR=blue" in adapted["process"]["env"]
    assert adapted["process"]["terminal"] is False
    assert {entry["type"] for entry in adapted["linux"]["namespaces"]} == KINDS
    assert adapted["linux"]["uidMappings"][0]["hostID"] == (0 if needs.rootless else 100_000)
    assert {mount["destination"] for mount in adapted["mounts"]} >= {"/run/nsbridge", "/opt/nsbridge/runtime"}
    assert ("cgroupsPath" in adapted["linux"]) is not needs.rootless
    assert config.find_problem(adapted) is None


def test_every_change_is_told_in_a_line(spec: config.Config) -> None:
    _, changes = adapt(spec, NEEDS)
    assert {"process.terminal: true → false", 'hostname: "runc" → "a"', 'process.args: ["sh"] → ["/bin/server"]'} <= {
        *changes
    }
    assert all("\n" not in change for change in changes)


def test_what_the_lab_does_not_need_stays(spec: config.Config, needs: Needs) -> None:
    spec["process"]["noNewPrivileges"] = False
    spec["hooks"] = {"poststop": [{"path": "/bin/true"}]}
    adapted, _ = adapt(spec, needs)
    for key in ("capabilities", "noNewPrivileges"):
        assert adapted["process"][key] == spec["process"][key]
    assert adapted["root"]["readonly"] is True
    assert adapted["hooks"] == spec["hooks"]


def test_the_config_that_came_in_is_left_alone(spec: config.Config, needs: Needs) -> None:
    before = copy.deepcopy(spec)
    adapt(spec, needs)
    assert spec == before


def test_a_config_that_was_adapted_needs_no_change(spec: config.Config, needs: Needs) -> None:
    adapted, _ = adapt(spec, needs)
    assert adapt(adapted, needs) == (adapted, [])


@pytest.mark.parametrize(("role", "base"), [("a", 100_000), ("b", 200_000)])
def test_a_template_needs_no_change_for_root(role: str, base: int) -> None:
    own = Needs((), python_env(), role, f"/nsbridge-lab-{role}", base, rootless=False)
    assert adapt(config.read(config.template(role)), own)[1] == []


def test_a_namespace_by_path_becomes_one_of_its_own(spec: config.Config) -> None:
    spec["linux"]["namespaces"][1]["path"] = "/proc/1/ns/net"
    adapted, changes = adapt(spec, NEEDS)
    assert all("path" not in entry for entry in adapted["linux"]["namespaces"])
    assert any("without path" in change for change in changes)


def test_a_mount_of_the_users_in_our_place_is_replaced(spec: config.Config) -> None:
    spec["mounts"].append({"destination": "/run/nsbridge", "type": "bind", "source": "/srv"})
    adapted, changes = adapt(spec, NEEDS)
    assert [mount["type"] for mount in adapted["mounts"] if mount["destination"] == "/run/nsbridge"] == ["tmpfs"]
    assert any(change.startswith("mounts: + ") and "/run/nsbridge" in change for change in changes)


def test_ids_that_nobody_has_go_without_root() -> None:
    spec = config.read(SPECS / "runc-1.1.5-spec.json")
    spec["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [4]}
    adapted, changes = adapt(spec, replace(NEEDS, rootless=True))
    assert adapted["process"]["user"] == {"uid": 0, "gid": 0}
    assert "gid=5" not in json.dumps(adapted)
    assert "mounts /dev/pts: without gid=5" in changes
    assert "gid=5" in json.dumps(adapt(spec, NEEDS)[0])


@pytest.mark.parametrize(
    ("old", "rootless", "new"),
    [
        (None, False, (8192, 8192)),
        ((1024, 1024), False, (8192, 8192)),
        ((9000, 9999), False, (9000, 9999)),
        ((9000, 9999), True, (8192, 8192)),
    ],
)
def test_a_thousand_streams_may_be_open(old: tuple[int, int] | None, rootless: bool, new: tuple[int, int]) -> None:
    spec = config.read(SPECS / "runc-1.1.5-spec.json")
    limits: list[dict[str, Any]] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    if old:
        limits.append({"type": "RLIMIT_NOFILE", "soft": old[0], "hard": old[1]})
    spec["process"]["rlimits"] = limits
    adapted, _ = adapt(spec, replace(NEEDS, rootless=rootless))
    found = {limit["type"]: (limit["soft"], limit["hard"]) for limit in adapted["process"]["rlimits"]}
    assert found == {"RLIMIT_CORE": (0, 0), "RLIMIT_NOFILE": new}
