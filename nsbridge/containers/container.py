"""One container of a lab, from its bundle to its end; knows no bridge and no other container."""

import resource
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nsbridge.containers import cgroups, config, network, overlay, processes, quotas, rootfs
from nsbridge.containers.adapt import NOFILE, Needs, adapt
from nsbridge.containers.base import base
from nsbridge.containers.layers import folder
from nsbridge.containers.programs import programs
from nsbridge.containers.queues import limits
from nsbridge.containers.roles import Role
from nsbridge.containers.runc import Runc, State
from nsbridge.containers.runtime import python_env, runtime
from nsbridge.errors import ContainerError, HostError, UsageError


@dataclass(frozen=True)
class Container:
    """A container that runc makes from a bundle of ours.

    The bundle is a folder of its own: `config.json`, `rootfs` (an overlay of `upper` over the layer
    `lower`), links to the layers `runtime` and `programs`, and `output.log`. As a context manager it
    stops the container on the way out.
    """

    role: Role
    id: str
    bundle: Path
    """The bundle's folder, made by `prepare` and removed by `stop`; all may search its parents."""
    cache: Path
    """Where layers are kept between labs."""
    runc: Runc

    def __enter__(self) -> Self:
        """Return itself: the container is made step by step."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the container."""
        self.stop()

    def prepare(self, args: Sequence[str] = (), root: Path | None = None, template: Path | None = None) -> list[str]:
        """Make the bundle and mount its root; return a line for each change to the template.

        `args` is the init process (that of the template if empty), `root` a root file system in place of
        busybox's, `template` a config.json in place of the role's own. Neither is written to.
        Raises UsageError for a bad template, root or folder, HostError where the kernel refuses.
        """
        # The slowest part of all: it is done while runc works, which needs nothing of this process.
        threading.Thread(target=network.preload).start()
        adapted, changes = adapt(config.read(template or config.template(self.role.name)), self._needs(args))
        links = {
            "lower": _readable(root) if root else base(self.cache),
            "runtime": runtime(self.cache),
            "programs": programs(self.cache),
        }
        if self.bundle.exists():
            raise UsageError(f"{self.bundle} exists: end its lab first (nsbridge down)")
        for name in ("upper", "work", "rootfs"):
            folder(self.bundle / name)
        for name, layer in links.items():
            (self.bundle / name).symlink_to(layer)
        config.write(adapted, self.bundle / "config.json")
        self._mount(adapted)
        return changes

    def create(self) -> int:
        """Make the container from its bundle and return its init's pid; its program waits for `start`.

        Raises ContainerError with runc's words.
        """
        return self.runc.create(self.id, self.bundle, self.bundle / "output.log")

    def connect(self, pid: int) -> None:
        """Give the created container its quotas, interface and address; HostError where the kernel refuses."""
        quotas.impose(pid, rootless=self.runc.rootless)
        network.configure(pid, self.role.address)

    def start(self) -> None:
        """Start the container's program; ContainerError with runc's words."""
        self.runc.start(self.id)

    def state(self) -> State:
        """Return what runc knows of it; ContainerError where that is nothing."""
        return self.runc.state(self.id)

    def exec_argv(self, args: Sequence[str], env: Mapping[str, str] | None = None, tty: bool = False) -> list[str]:
        """Return the command that runs `args` in the container, on a terminal of its own with `tty`."""
        return self.runc.exec_argv(self.id, args, env, tty)

    def output(self) -> str:
        """Return what the container's program has written to stdout and stderr."""
        log = self.bundle / "output.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def end(self) -> None:
        """Kill the container and let runc forget it, whatever state it is in; the bundle stays, for another `create`.

        Processes of others that joined its mount namespace are killed, too.
        Raises HostError where something stays.
        """
        # First by the kernel's word: runc may have forgotten it, and its own --force waits for 100 ms.
        processes.kill(processes.rooted_at(str(self.bundle)))
        with suppress(ContainerError, HostError):
            self.runc.delete(self.id, force=True)
        self._remove(self.runc.root / self.id)

    def stop(self) -> None:
        """End the container and remove all that was made for it; HostError where something stays."""
        self.end()
        if not self.runc.rootless:
            cgroups.remove(cgroups.folders(self.id))
        overlay.unmount(self.bundle / "rootfs")
        self._remove(self.bundle)

    def _remove(self, place: Path) -> None:
        try:
            if place.exists():
                shutil.rmtree(place)
        except OSError as error:
            raise HostError(f"cannot remove what is left of {self.id} ({error}): try again") from error

    def _needs(self, args: Sequence[str]) -> Needs:
        limit, tasks = (resource.getrlimit(each)[1] for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        unlimited = not self.runc.rootless or limit == resource.RLIM_INFINITY
        return Needs(
            args=args,
            env=python_env(),
            hostname=self.role.name,
            cgroups_path=cgroups.cgroup_path(self.id),
            id_base=self.role.id_base,
            rootless=self.runc.rootless,
            sysctl=limits(),
            nofile=NOFILE if unlimited else min(NOFILE, limit),
            nproc=tasks if self.runc.rootless and tasks != resource.RLIM_INFINITY else None,
        )

    def _mount(self, adapted: config.Config) -> None:
        owner = 0 if self.runc.rootless else self.role.id_base
        readonly = adapted["root"].get("readonly", False)
        rootfs.fill(self.bundle, adapted["mounts"], owner, writable=not readonly)
        overlay.mount(self.bundle, userxattr=self.runc.rootless)


def _readable(root: Path) -> Path:
    """Return the absolute path of a user's root file system; UsageError where it is no folder."""
    try:
        if not any(root.iterdir()):
            raise UsageError(f"{root} is empty: name a folder that holds a root file system")
    except OSError as error:
        raise UsageError(f"cannot read the root file system {root} ({error.strerror}): name a folder") from error
    return root.resolve()
