"""A config.json read, checked and written."""

import json
from pathlib import Path
from typing import Any

import pytest

from nsbridge.containers import config
from nsbridge.errors import UsageError

PLAIN = json.loads((Path(__file__).parent / "specs" / "runc-1.1.5-spec.json").read_text())


@pytest.mark.parametrize("role", ["a", "b"])
def test_a_template_says_all_that_it_should(role: str) -> None:
    template = config.read(config.template(role))
    assert template["hostname"] == role
    assert template["process"]["noNewPrivileges"] is True
    assert not any(template["process"]["capabilities"].values())
    assert len(template["linux"]["namespaces"]) == 7
    assert {*template["linux"]["maskedPaths"]} >= {*PLAIN["linux"]["maskedPaths"]}
    assert {*template["linux"]["readonlyPaths"]} >= {*PLAIN["linux"]["readonlyPaths"]}


def test_what_is_written_is_read_back_and_indented(tmp_path: Path) -> None:
    config.write(PLAIN, tmp_path / "config.json")
    assert config.read(tmp_path / "config.json") == PLAIN
    assert (tmp_path / "config.json").read_text().startswith('{\n  "ociVersion"')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ociVersion": None}, "ociVersion must be a string"),
        ({"ociVersion": "7.0"}, "ociVersion is '7.0'"),
        ({"process": []}, "process must be an object"),
        ({"process": {"args": "sh"}}, "process.args must be a list"),
        ({"process": {"env": ["A=b", 5]}}, "process.env[1] must be a string"),
        ({"process": {"terminal": 1}}, "process.terminal must be true or false"),
        ({"process": {"user": {"uid": True}}}, "process.user.uid must be a whole number"),
        ({"process": {"rlimits": [{"type": "RLIMIT_NOFILE"}]}}, "process.rlimits[0].hard is missing"),
        ({"root": "rootfs"}, "root must be an object"),
        ({"mounts": [{"type": "proc"}]}, "mounts[0].destination is missing"),
        ({"mounts": {}}, "mounts must be a list"),
        ({"linux": {"namespaces": ["net"]}}, "linux.namespaces[0] must be an object"),
        ({"linux": {"namespaces": [{"path": "/x"}]}}, "linux.namespaces[0].type is missing"),
    ],
)
def test_nonsense_is_told_with_its_file_and_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(PLAIN | change))
    with pytest.raises(UsageError) as refusal:
        config.read(file)
    assert str(refusal.value).startswith(f"{file}: {said}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", ["ociVersion", "process", "root"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({name: value for name, value in PLAIN.items() if name != key}))
    with pytest.raises(UsageError, match=f"{key} is missing"):
        config.read(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "the whole must be an object"),
    ],
)
def test_what_is_no_config_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        config.read(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"cannot read {tmp_path}/none"):
        config.read(tmp_path / "none")
