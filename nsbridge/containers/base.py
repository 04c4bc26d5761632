"""The layer `base`: the default root file system, busybox and little more; knows no container."""

import os
import shutil
from functools import partial
from pathlib import Path

from nsbridge.containers.busybox import applets, busybox
from nsbridge.containers.layers import digest, identity, layer

_FOLDERS = (
    *("bin", "dev", "etc", "home", "opt", "proc", "root", "run", "sbin", "sys", "tmp"),
    *("usr/bin", "usr/sbin", "var/tmp"),
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}


def base(cache: Path) -> Path:
    """Return the layer's folder in `cache`, built at first use.

    Raises HostError where busybox is missing, UsageError for an unusable cache.
    """
    shell = busybox()
    key = digest(Path(__file__).read_text(), identity(shell))
    return layer(cache, "base", key, partial(_build, shell=shell))


def _build(root: Path, shell: Path) -> None:
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True)
    for name, text in _FILES.items():
        (root / name).write_text(text)
    shutil.copy2(shell, root / "bin" / "busybox")
    for place in applets(shell):
        link = root / place
        if not os.path.lexists(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to("/bin/busybox")
