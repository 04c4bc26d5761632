"""Takes every privilege from this process, for good; knows neither namespaces nor streams.

Source: capabilities(7), seccomp(2), PR_SET_NO_NEW_PRIVS in prctl(2).
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import tempfile

import pyprctl
import pyseccomp

from nsbridge.errors import HostError
from nsbridge.programs.landlock import restrict

NOBODY = 65533  # a user of the joined USER namespace who owns nothing in it

# What a serving bridge never needs; each gives EPERM.
FORBIDDEN = [
    "acct", "add_key", "bpf", "chroot", "delete_module", "execve", "execveat", "finit_module", "fsconfig",
    "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup",
    "kcmp", "kexec_file_load", "kexec_load", "keyctl", "kill", "mount", "mount_setattr", "move_mount",
    "name_to_handle_at", "open_by_handle_at", "open_tree", "perf_event_open", "personality", "pidfd_getfd",
    "pidfd_send_signal", "pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace",
    "quotactl", "reboot", "request_key", "setdomainname", "setgid", "setgroups", "sethostname", "setns",
    "setregid", "setresgid", "setresuid", "setreuid", "setuid", "swapoff", "swapon", "tkill", "umount2",
    "unshare", "userfaultfd", "vhangup",
]  # fmt: skip
_LIMITS = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_AS: 4 << 30,  # bytes: the stacks of 2,000 threads are 512 MiB of it
    resource.RLIMIT_FSIZE: 1 << 20,  # bytes of one file: a segment has 128 KiB, and the log must not fill the disk
    # tasks of this user in the joined USER namespace; without root the container's are of the same user, and it may
    # have half as many, so that it cannot take all
    resource.RLIMIT_NPROC: 8192,
}
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEW* of clone(2), all of them
_AF_INET = 2


def confine(folder: str | None, port: int | None) -> None:
    """Give up groups, ids, all capabilities, files, and the system calls that lead out.

    Args:
        folder: below which files stay within reach; None for nowhere.
        port: the TCP port to which connections may be opened; None for none.

    Raises:
        HostError: the kernel refused one of the steps.
    """
    try:
        if folder is None:
            _leave_files()
        _drop_ids()
        _drop_capabilities()
        pyprctl.set_no_new_privs()
        pyprctl.set_dumpable(False)
        for limit, most in _LIMITS.items():
            _lower(limit, most)
        restrict(folder, port)
        _filter()
    except OSError as error:
        raise HostError(f"cannot confine the bridge: {error}; the kernel needs seccomp and user namespaces") from None


def _leave_files() -> None:
    """Make an empty folder the root that is removed already: nothing is in it, and nothing can come (chroot(2))."""
    place = tempfile.mkdtemp()
    os.chdir(place)
    os.rmdir(place)
    os.chroot(".")


def _lower(limit: int, most: int) -> None:
    hard = resource.getrlimit(limit)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(limit, (most, most))


def _drop_ids() -> None:
    # Without root the USER namespace has one id, the process's own: nothing is left to give up.
    with contextlib.suppress(OSError):
        os.setgroups([])
    with contextlib.suppress(OSError):
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def _drop_capabilities() -> None:
    for cap in pyprctl.Cap:
        with contextlib.suppress(ValueError, OSError):
            pyprctl.capbset_drop(cap)  # needs CAP_SETPCAP, which a change of user has taken already
    pyprctl.cap_ambient_clear_all()
    pyprctl.CapState().set_current()


def _filter() -> None:
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    forbidden = pyseccomp.ERRNO(errno.EPERM)
    for name in FORBIDDEN:
        with contextlib.suppress(OSError):  # the architecture may lack it
            rules.add_rule(forbidden, name)
    # A filter cannot look behind clone3's pointer; glibc falls back to clone
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for bit in (1 << shift for shift in range(32) if _NEW_NAMESPACES >> shift & 1):
        rules.add_rule(forbidden, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, bit, bit))
    rules.add_rule(forbidden, "socket", pyseccomp.Arg(0, pyseccomp.NE, _AF_INET))
    rules.load()
