"""config.json as tables: the lines that matter, and the differences of several; knows no container."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nsbridge.containers.runc import Runc
from nsbridge.forms import Sheet, mono, plain
from nsbridge.privilege import rootless

_NOTES = {
    "root.path": "the root directory, beside this file",
    "process.args": "the program that becomes process 1",
    "process.user.uid": "root, but only of the USER namespace below",
    "process.capabilities.bounding": "root's powers, one by one: none",
    "process.noNewPrivileges": "no program may gain any",
    "hostname": "needs a UTS namespace",
    "linux.namespaces": "the kinds of which the container gets its own",
    "linux.uidMappings": "who its users are outside",
    "linux.cgroupsPath": "where its processes are counted",
    "linux.resources.memory.limit": "bytes it may use",
    "linux.resources.pids.limit": "processes it may have",
    "linux.resources.cpu.quota": "µs of CPU time in each 100 000",
    "linux.maskedPaths": "parts of /proc and /sys that are hidden",
    "mounts": "what else it finds in its root",
}
_LONGEST = 56  # characters of a value


def annotated(file: Path) -> Sheet:
    """Return the lines of a config.json that matter, with what each is for."""
    found = _flat(json.loads(file.read_text()))
    rows = [[mono(key), mono(_short(found[key])), plain(note)] for key, note in _NOTES.items() if key in found]
    return Sheet(["key", "value", "what it does"], rows)


def differences(files: Mapping[str, Path]) -> Sheet:
    """Return the keys on which the files do not agree, with the value that each has."""
    found = {name: _flat(json.loads(file.read_text())) for name, file in files.items()}
    keys = dict.fromkeys(key for values in found.values() for key in values)
    rows: dict[tuple[str, ...], list[str]] = {}
    for key in keys:
        values = [each.get(key) for each in found.values()]
        if any(value != values[0] for value in values):
            rows.setdefault((key.rpartition(".")[0], *map(_short, values)), []).append(key)
    return Sheet(["key", *found], [[_keys(keys), *map(mono, values)] for (_, *values), keys in rows.items()])


def against_spec(file: Path) -> Sheet:
    """Return in what a config.json differs from that which a plain `runc spec` writes."""
    with TemporaryDirectory(prefix="nsbridge-spec-") as folder:
        argv = [*Runc(Path(folder), rootless()).argv(), "spec", "--bundle", folder, *["--rootless"] * rootless()]
        subprocess.run(argv, check=True, capture_output=True)
        return differences({"runc spec": Path(folder, "config.json"), "A": file})


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Return what a config holds as one level of keys; lists of objects are shown by what names their items."""
    if isinstance(value, dict) and value:
        return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{key}.{name}".lstrip(".")).items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {key: [_name(item) for item in value]}
    return {key: value}


def _name(item: Mapping[str, Any]) -> str:
    if "containerID" in item:
        return f"{item['containerID']} is {item['hostID']}, {item['size']} of them"
    if "soft" in item:
        return f"{item['type']} {item['soft']}"
    return str(item.get("destination") or item.get("type") or json.dumps(item))


def _keys(keys: Sequence[str]) -> str:
    """Return keys of one object that have the same value as one cell."""
    first, *others = keys
    return ", ".join([mono(first), *(mono(key.rpartition(".")[2]) for key in others)])


def _short(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, list):
        text = ", ".join(map(str, value)) or "[]"
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip(", ") + "…"
