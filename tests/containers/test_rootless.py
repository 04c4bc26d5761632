"""The tests of the container again, for an ordinary user in a user namespace of their own."""

import os
import subprocess
import sys
from pathlib import Path


def test_an_ordinary_user_gets_the_same() -> None:
    suite = Path(__file__).with_name("test_container.py")
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite)]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*nobody, "unshare", "--user", "--map-root-user", "--mount", *pytest],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
