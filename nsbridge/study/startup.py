"""How long it takes until a lab has echoed for the first time: the command `nsbridge up`, from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nsbridge.errors import NsbridgeError


def warm(pair: str) -> list[float]:
    """Return the microseconds of `nsbridge up`, the layers being built already."""
    return [_up(pair, {})]


def cold(pair: str) -> list[float]:
    """Return the microseconds of `nsbridge up` where nothing has been built yet."""
    with tempfile.TemporaryDirectory(prefix="nsbridge-cold-") as home:
        Path(home).chmod(0o755)
        return [_up(pair, {"NSBRIDGE_HOME": home})]


def _up(pair: str, variables: dict[str, str]) -> float:
    nsbridge = [sys.executable, "-m", "nsbridge.cli"]
    name = ["--name", f"start-{pair}"]
    env = os.environ | variables
    start = time.perf_counter_ns()
    done = subprocess.run(
        [*nsbridge, "up", "--pair", pair, *name], env=env, capture_output=True, text=True, check=False
    )
    took = (time.perf_counter_ns() - start) / 1000
    subprocess.run([*nsbridge, "down", *name], env=env, capture_output=True, check=True)
    if done.returncode:
        raise NsbridgeError(f"the lab did not start: {done.stderr.strip().splitlines()[-1]}")
    return took
