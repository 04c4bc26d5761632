"""Changes a config.json in what the lab needs, and says what it changed; reads and mounts nothing.

The lab's own templates and a config of the user's go the same way.
"""

import copy
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nsbridge.containers.config import Config
from nsbridge.containers.programs import PROGRAMS
from nsbridge.containers.runtime import RUNTIME

RENDEZVOUS = "/run/nsbridge"
"""The tmpfs of each container where the files of the MNT medium are."""

NOFILE = 8192
"""Open files a process may have (getrlimit(2)): a thousand streams of files need up to eight each."""

_NAMESPACES = ("user", "mount", "pid", "network", "ipc", "uts", "cgroup")
_LAYER = ("bind", "ro", "nosuid", "nodev")
_MOUNTS: tuple[dict[str, Any], ...] = (
    {"destination": RUNTIME, "type": "bind", "source": "runtime", "options": [*_LAYER]},
    {"destination": PROGRAMS, "type": "bind", "source": "programs", "options": [*_LAYER]},
    {
        "destination": RENDEZVOUS,
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "noexec", "nodev", "mode=0777", "size=768m"],
    },
)
_SHOWN = 72

# The server binds TCP port 7 without a capability.
_SYSCTL = {"net.ipv4.ip_unprivileged_port_start": "0"}


@dataclass(frozen=True)
class Needs:
    """What the lab needs of a container's config."""

    args: Sequence[str]
    """The program of its init process; the config's own where it is empty."""
    env: Mapping[str, str]
    hostname: str
    cgroups_path: str
    id_base: int
    """The host's id of the container's root; of no meaning where `rootless`."""
    rootless: bool
    """Whether the container is made in a user namespace that holds one uid and one gid, both 0."""
    sysctl: Mapping[str, str] = field(default_factory=dict)
    """What is set beside the lab's own; a value of the config's stays."""
    nofile: int = NOFILE
    """The limit of open files; without root it cannot stand above the caller's own hard limit."""
    nproc: int | None = None
    """The caller's own hard limit of tasks, where that is one."""


def adapt(config: Config, needs: Needs) -> tuple[Config, list[str]]:
    """Return a copy of `config` that serves the lab, and a line for each change."""
    edit = _Edit(copy.deepcopy(config))
    for step in (_process, _root, _namespaces, _ids, _mounts, _limits):
        step(edit, needs)
    return edit.config, edit.changes


@dataclass
class _Edit:
    """A config under change."""

    config: Config
    changes: list[str] = field(default_factory=list)

    def get(self, key: str, default: Any) -> Any:
        """Return the value at a dotted key."""
        value: Any = self.config
        for name in key.split("."):
            if name not in value:
                return default
            value = value[name]
        return value

    def set(self, key: str, value: Any, why: str = "") -> None:
        """Set a dotted key, and note it if that is a change; `why` replaces the note of old and new."""
        old = self.get(key, None)
        if old == value:
            return
        *parents, name = key.split(".")
        place = self.config
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
        self.changes.append(why or f"{key}: {_show(old)} → {_show(value)}")

    def drop(self, key: str, why: str) -> None:
        """Remove a dotted key."""
        parent, _, name = key.rpartition(".")
        if self.get(parent, {}).pop(name, None) is not None:
            self.changes.append(f"{key}: removed, {why}")


def _process(edit: _Edit, needs: Needs) -> None:
    edit.set("process.terminal", False)
    if needs.args:
        edit.set("process.args", [*needs.args])
    env = _merge_env(edit.get("process.env", []), needs.env)
    edit.set("process.env", env, f"process.env: + {', '.join(needs.env)}")
    edit.set("process.cwd", "/")
    edit.set("hostname", needs.hostname)


def _merge_env(old: Iterable[str], new: Mapping[str, str]) -> list[str]:
    """Return environment lines where those of `new` replace lines of the same name."""
    lines = {line.partition("=")[0]: line for line in old}
    return [*(lines | {name: f"{name}={value}" for name, value in new.items()}).values()]


def _root(edit: _Edit, needs: Needs) -> None:
    edit.set("root.path", "rootfs")


def _namespaces(edit: _Edit, needs: Needs) -> None:
    old = edit.get("linux.namespaces", [])
    foreign = [entry["type"] for entry in old if "path" in entry]
    missing = [kind for kind in _NAMESPACES if kind not in {entry["type"] for entry in old}]
    notes = [f"+ {', '.join(missing)}"] * bool(missing) + [f"{', '.join(foreign)} without path"] * bool(foreign)
    new = [{"type": kind} for kind in [*(entry["type"] for entry in old), *missing]]
    edit.set("linux.namespaces", new, f"linux.namespaces: {'; '.join(notes)}")


def _ids(edit: _Edit, needs: Needs) -> None:
    base, size = (0, 1) if needs.rootless else (needs.id_base, 65536)
    for key in ("linux.uidMappings", "linux.gidMappings"):
        note = f"{key}: 0 is {base} of the host, {size} in all"
        edit.set(key, [{"containerID": 0, "hostID": base, "size": size}], note)
    if needs.rootless:
        edit.set("process.user.uid", 0)
        edit.set("process.user.gid", 0)
        edit.drop("process.user.additionalGids", "there is one gid without root")


def _mounts(edit: _Edit, needs: Needs) -> None:
    own = {mount["destination"]: mount for mount in _MOUNTS}
    old = edit.get("mounts", [])
    kept = [copy.deepcopy(mount) for mount in old if own.get(mount["destination"], mount) == mount]
    for mount in kept if needs.rootless else ():
        _drop_ids(edit, mount)
    added = [mount for mount in _MOUNTS if mount not in kept]
    if added:
        edit.changes.append(f"mounts: + {', '.join(mount['destination'] for mount in added)}")
    edit.config["mounts"] = [*kept, *added]


def _drop_ids(edit: _Edit, mount: dict[str, Any]) -> None:
    """Remove options that name an id other than 0, which nobody has without root."""
    options = mount.get("options", [])
    refused = [option for option in options if re.fullmatch(r"[ug]id=0*[1-9]\d*", option)]
    if refused:
        mount["options"] = [option for option in options if option not in refused]
        edit.changes.append(f"mounts {mount['destination']}: without {', '.join(refused)}")


def _limits(edit: _Edit, needs: Needs) -> None:
    if needs.rootless:
        edit.drop("linux.resources", "cgroups are root's")
        edit.drop("linux.cgroupsPath", "cgroups are root's")
    else:
        edit.set("linux.cgroupsPath", needs.cgroups_path)
    edit.set("linux.sysctl", {**needs.sysctl, **edit.get("linux.sysctl", {}), **_SYSCTL})
    limits = edit.get("process.rlimits", [])
    old = next((limit for limit in limits if limit["type"] == "RLIMIT_NOFILE"), None)
    if old is None or old["soft"] < needs.nofile or (needs.rootless and old["hard"] > needs.nofile):
        new = {"type": "RLIMIT_NOFILE", "hard": needs.nofile, "soft": needs.nofile}
        others = [limit for limit in limits if limit is not old]
        edit.set("process.rlimits", [*others, new], f"process.rlimits: RLIMIT_NOFILE → {needs.nofile}")
    for limit in edit.get("process.rlimits", []):
        if limit["type"] == "RLIMIT_NPROC" and needs.nproc is not None and limit["hard"] > needs.nproc:
            limit.update(hard=needs.nproc, soft=min(limit["soft"], needs.nproc))
            edit.changes.append(f"process.rlimits: RLIMIT_NPROC → {needs.nproc}")


def _show(value: Any) -> str:
    """Return a value as short JSON."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
