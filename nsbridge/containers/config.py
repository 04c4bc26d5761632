"""Reads and writes an OCI config.json and checks its shape; knows nothing of what the lab needs of it."""

import json
import re
from pathlib import Path
from typing import Any

from nsbridge.errors import UsageError

Config = dict[str, Any]
"""A config.json, as json.load gives it (OCI runtime spec, "Configuration")."""

_TEMPLATES = Path(__file__).parents[2] / "bundles"

_SHAPE: dict[str, Any] = {
    "ociVersion": str,
    "hostname": str,
    "process": {
        "terminal": bool,
        "user": {"uid": int, "gid": int, "additionalGids": [int]},
        "args": [str],
        "env": [str],
        "cwd": str,
        "rlimits": [{"type": str, "hard": int, "soft": int}],
    },
    "root": {"path": str, "readonly": bool},
    "mounts": [{"destination": str, "type": str, "source": str, "options": [str]}],
    "linux": {
        "namespaces": [{"type": str, "path": str}],
        "uidMappings": [{"containerID": int, "hostID": int, "size": int}],
        "gidMappings": [{"containerID": int, "hostID": int, "size": int}],
        "sysctl": {},
        "cgroupsPath": str,
        "resources": {},
    },
}
"""What the lab touches: a type, an object by its keys, or a list by its items."""

_REQUIRED = {
    "": ("ociVersion", "process", "root"),
    "mounts[]": ("destination",),
    "linux.namespaces[]": ("type",),
    "process.rlimits[]": ("type", "hard", "soft"),
}

_CALLED = {str: "a string", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


def template(role: str) -> Path:
    """Return the file that the bundle of `role` (`a` or `b`) starts from."""
    return _TEMPLATES / role / "config.json"


def read(file: Path) -> Config:
    """Return the config in `file`.

    Raises UsageError where it cannot be read, is no JSON, or is not a config of a Linux container; it
    names the file and the key. Only what the lab touches is looked at: runc has the last word on the rest.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file} ({error.strerror}): name a config.json") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not JSON ({error}): start from what `runc spec` writes") from error
    problem = find_problem(config)
    if problem is not None:
        raise UsageError(f"{file}: {problem}: start from what `runc spec` writes")
    return dict(config)


def write(config: Config, file: Path) -> None:
    """Write `config` to `file`, readable by a person."""
    file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def find_problem(config: Any) -> str | None:
    """Return what makes `config` no config.json, with the key it concerns, or None."""
    problem = _mismatch(config, _SHAPE, "")
    if problem is None and not config["ociVersion"].startswith("1."):
        problem = f"ociVersion is {config['ociVersion']!r}, but only 1.x is known"
    return problem


def _mismatch(value: Any, shape: Any, key: str) -> str | None:
    """Return the first place at or below `key` where `value` has another shape."""
    kind: type = shape if isinstance(shape, type) else type(shape)
    if type(value) is not kind:  # not isinstance, for True is an int to Python
        return f"{key or 'the whole'} must be {_CALLED[kind]}"
    if isinstance(value, dict):
        missing = [name for name in _REQUIRED.get(re.sub(r"\d+", "", key), ()) if name not in value]
        if missing:
            return f"{_below(key, missing[0])} is missing"
    problems = (_mismatch(item, inner, path) for path, item, inner in _children(value, shape, key))
    return next((problem for problem in problems if problem is not None), None)


def _children(value: Any, shape: Any, key: str) -> list[tuple[str, Any, Any]]:
    """Return what is directly below `key`: keys, values and their shapes."""
    if isinstance(shape, list):
        return [(f"{key}[{index}]", item, shape[0]) for index, item in enumerate(value)]
    if isinstance(shape, dict):
        return [(_below(key, name), value[name], shape[name]) for name in shape if name in value]
    return []


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
