"""A container from its bundle to its end, with runc and the kernel; /proc, ip and runc are the witnesses."""

import errno
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL

import pytest

from nsbridge.containers import cgroups, overlay
from nsbridge.containers.container import Container
from nsbridge.containers.processes import find, rooted_at
from nsbridge.containers.roles import A, B
from nsbridge.containers.runtime import BUSYBOX, RUNTIME, python_argv
from nsbridge.errors import ContainerError, UsageError

from .conftest import Make

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
PYTHON = f"{RUNTIME}/bin/python"
PAUSE = (BUSYBOX, "sleep", "1000")
SPECS = Path(__file__).parent / "specs"


def up(container: Container, *args: str, root: Path | None = None, template: Path | None = None) -> int:
    container.prepare(args, root, template)
    pid = container.create()
    container.connect(pid)
    container.start()
    return pid


def run(container: Container, *args: str) -> subprocess.CompletedProcess[str]:
    argv = container.exec_argv(args)
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, stdin=DEVNULL)


def shell(container: Container, line: str) -> str:
    done = run(container, BUSYBOX, "sh", "-c", line)
    assert done.returncode == 0, done.stderr
    return done.stdout


def status(pid: int, key: str) -> str:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return lines[key].strip()


def namespaces(pid: int | str) -> dict[str, str]:
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS}


def traces(container: Container) -> dict[str, object]:
    """All that a container could leave on the host; other labs may come and go beside it."""
    mounts = Path("/proc/self/mounts").read_text()
    return {
        "mounts": [line for line in mounts.splitlines() if str(container.bundle) in line],
        "cgroups": [path for root in cgroups.hierarchies(mounts) for path in root.glob(f"*{container.id}*")],
        "processes": find(rooted_at(str(container.bundle))),
        "runc list": json.loads(_runc(container, "list", "--format", "json")),
        "bundle": container.bundle.exists(),
        "runc state": (container.runc.root / container.id).exists(),
    }


def _runc(container: Container, *command: str) -> str:
    return subprocess.run(container.runc.argv(*command), capture_output=True, text=True, check=True).stdout


def test_it_has_seven_namespaces_of_its_own(container: Container) -> None:
    own, host = namespaces(up(container)), namespaces("self")
    assert not set(own.values()) & set(host.values())


def test_runc_state_says_what_the_container_says(container: Container) -> None:
    pid = up(container)
    witness = json.loads(_runc(container, "state", container.id))
    state = container.state()
    assert (state.id, state.pid, state.status) == (witness["id"], witness["pid"], witness["status"])
    assert (state.pid, state.status, str(state.bundle)) == (pid, "running", witness["bundle"])


def test_its_program_waits_for_start(container: Container) -> None:
    container.prepare()
    container.create()
    assert container.state().status == "created"


def test_no_process_of_it_has_a_capability(container: Container) -> None:
    pid = up(container)
    inside = shell(container, "cat /proc/self/status")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status(pid, name), 16) == 0
        assert f"{name}:\t{0:016x}" in inside
    assert status(pid, "NoNewPrivs") == "1"
    assert "NoNewPrivs:\t1" in inside


def test_its_root_is_nobody_special_on_the_host(container: Container, rootless: bool) -> None:
    pid = up(container)
    assert status(pid, "Uid").split() == [str(0 if rootless else A.id_base)] * 4


def test_a_and_b_stand_side_by_side_in_subnets_that_do_not_meet(make: Make) -> None:
    containers = [make(A), make(B)]
    with ThreadPoolExecutor() as executor:
        pids = [*executor.map(lambda container: up(container, *PAUSE), containers)]
    assert not set(namespaces(pids[0]).values()) & set(namespaces(pids[1]).values())
    for pid, role in zip(pids, (A, B), strict=True):
        links = {link["ifname"]: link for link in json.loads(_ip(pid, "addr"))}
        addresses = [entry for entry in links["eth0"]["addr_info"] if entry["family"] == "inet"]
        assert [f"{entry['local']}/{entry['prefixlen']}" for entry in addresses] == [role.address]
        assert {"UP"} <= set(links["eth0"]["flags"]) & set(links["lo"]["flags"])
    connect = f"import socket; print(socket.socket().connect_ex(('{B.address.split('/')[0]}', 7)))"
    assert run(containers[0], PYTHON, "-c", connect).stdout == f"{errno.ENETUNREACH}\n"


def _ip(pid: int, what: str) -> str:
    argv = ["nsenter", "--net", "--target", str(pid), "ip", "-json", what]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_a_program_without_capabilities_may_bind_port_7(container: Container) -> None:
    up(container)
    bind = "import socket; print(socket.socket().bind(('', 7)))"
    assert run(container, PYTHON, "-c", bind).stdout == "None\n"


def test_the_rendezvous_is_a_tmpfs_that_all_may_write(container: Container) -> None:
    up(container)
    assert shell(container, "echo hi > /run/nsbridge/x; cat /run/nsbridge/x") == "hi\n"
    assert " /run/nsbridge tmpfs " in shell(container, "cat /proc/mounts")


def test_the_layers_are_read_only(container: Container) -> None:
    up(container)
    for place in ("runtime", "programs"):
        assert run(container, BUSYBOX, "touch", f"/opt/nsbridge/{place}/x").returncode != 0


def test_what_it_writes_goes_to_its_own_layer(container: Container) -> None:
    up(container)
    shell(container, "echo hi > /tmp/x; echo hi > /root/x; echo hi > /run/x")
    assert (container.bundle / "upper" / "tmp" / "x").read_text() == "hi\n"
    assert not (container.bundle / "lower" / "tmp" / "x").exists()


def test_limits_are_the_kernels(container: Container, rootless: bool) -> None:
    pid = up(container)
    assert f"{'Max open files':26}{8192:<21}{8192:<21}" in Path(f"/proc/{pid}/limits").read_text()
    found = [
        folder / name for folder in cgroups.folders(container.id) for name in ("memory.limit_in_bytes", "memory.max")
    ]
    values = [int(file.read_text()) for file in found if file.exists()]
    asked = json.loads((container.bundle / "config.json").read_text())["linux"].get("resources", {})
    assert values == ([] if rootless else [asked["memory"]["limit"]])


def test_python_runs_in_a_root_that_holds_only_busybox(container: Container, small_root: Path) -> None:
    up(container, root=small_root)
    program = "import sys, os, sysv_ipc, ctypes, nsbridge; print(sys.executable, os.listdir('/bin'))"
    done = run(container, PYTHON, "-c", program)
    assert done.stdout.startswith("/opt/nsbridge/runtime/bin/python3 ['busybox']"), done.stderr


def test_a_module_in_the_root_is_not_imported(container: Container) -> None:
    up(container)
    shell(container, "echo 'print(\"tampered\")' > /tmp/json.py")
    line = f"cd /tmp; {' '.join(python_argv('json.tool'))} --help"
    assert "tampered" not in shell(container, line)


def test_a_users_root_is_never_written_to(container: Container, small_root: Path) -> None:
    up(container, root=small_root)
    shell(container, "echo hi > /tmp/x")
    container.stop()
    assert [str(path.relative_to(small_root)) for path in small_root.rglob("*")] == ["bin", "bin/busybox"]


@pytest.mark.parametrize("punctuation", [" ", ",", ":", "\\"])
def test_a_root_with_punctuation_in_its_path(container: Container, small_root: Path, punctuation: str) -> None:
    root = small_root / f"x{punctuation}y"
    shutil.copytree(small_root / "bin", root / "bin")
    up(container, root=root)
    assert shell(container, f"{BUSYBOX} ls /bin") == "busybox\n"


@pytest.mark.parametrize("spec", ["runc-1.1.5-spec.json", "runc-1.1.5-spec-rootless.json"])
def test_a_plain_runc_spec_and_a_root_with_only_busybox_will_do(
    container: Container, small_root: Path, spec: str
) -> None:
    pid = up(container, *PAUSE, root=small_root, template=SPECS / spec)
    assert not set(namespaces(pid).values()) & set(namespaces("self").values())
    assert shell(container, "echo hi > /run/nsbridge/x; cat /run/nsbridge/x") == "hi\n"
    assert run(container, *python_argv("platform")).returncode == 0
    container.stop()


def test_what_its_program_says_is_kept(container: Container) -> None:
    up(container, BUSYBOX, "echo", "hello")
    deadline = time.monotonic() + 5
    while "hello\n" not in container.output():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_runc_refuses_is_told_in_one_line_and_leaves_nothing(container: Container) -> None:
    before = traces(container)
    container.prepare(["/no/such/program"])
    with pytest.raises(ContainerError, match=r"^runc create .*no such file or directory") as refusal:
        container.create()
    assert "\n" not in str(refusal.value)
    container.stop()
    assert traces(container) == before


def test_a_bundle_that_exists_is_not_touched(container: Container) -> None:
    up(container)
    with pytest.raises(UsageError, match="exists"):
        container.prepare()
    assert container.state().status == "running"


def truncate_state(container: Container) -> None:
    up(container)
    file = container.runc.root / container.id / "state.json"
    file.write_text(file.read_text()[:100])


def forget_state(container: Container) -> None:
    up(container)
    shutil.rmtree(container.runc.root / container.id)


def kill_init(container: Container) -> None:
    os.kill(up(container), signal.SIGKILL)


def lose_the_mount(container: Container) -> None:
    container.prepare()
    overlay.unmount(container.bundle / "rootfs")


def lose_the_mount_of_a_running_one(container: Container) -> None:
    up(container)
    overlay.unmount(container.bundle / "rootfs")


def mount_twice(container: Container) -> None:
    container.prepare()
    overlay.mount(container.bundle, userxattr=container.runc.rootless)


def only_prepare(container: Container) -> None:
    container.prepare()


def only_create(container: Container) -> None:
    container.prepare()
    container.create()


def kill_create(milliseconds: int) -> Callable[[Container], None]:
    def killed(container: Container) -> None:
        container.prepare()
        argv = container.runc.argv("create", "--bundle", container.bundle, container.id)
        with subprocess.Popen(argv, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL) as create:
            time.sleep(milliseconds / 1000)
            create.kill()

    killed.__name__ = f"kill_create_after_{milliseconds}_ms"
    return killed


def nothing_at_all(container: Container) -> None:
    pass


def up_and_running(container: Container) -> None:
    up(container)


@pytest.mark.parametrize(
    "reach",
    [
        *(nothing_at_all, only_prepare, only_create, up_and_running, kill_init, truncate_state, forget_state),
        *(lose_the_mount, lose_the_mount_of_a_running_one, mount_twice),
        *map(kill_create, (1, 5, 10, 15, 20, 30, 40, 60, 80)),
    ],
    ids=lambda reach: reach.__name__,
)
def test_stop_leaves_nothing_after(reach: Callable[[Container], None], container: Container) -> None:
    before = traces(container)
    reach(container)
    container.stop()
    assert traces(container) == before
    container.stop()


def test_as_a_context_manager_it_stops_on_the_way_out(container: Container) -> None:
    before = traces(container)
    with container:
        up(container)
    assert traces(container) == before


def test_a_name_can_be_used_again_at_once(container: Container) -> None:
    for _ in range(2):
        up(container)
        container.stop()
