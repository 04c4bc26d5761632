"""Cells played in a real kernel as a user of this host, and what they showed; calls no code of nsbridge."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from .host import User

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PLAYER = Path(__file__).with_name("player.py")

Outputs = list[dict[str, Any]]


def play(user: User, *cells: str, within: tuple[str, ...] = (), **variables: str) -> list[Outputs]:
    """Run the cells in one kernel, in a command that wraps it if need be; return the outputs of each."""
    done = user.run(*within, sys.executable, PLAYER, stdin=json.dumps(cells).encode(), **variables)
    assert done.returncode == 0, done.stderr.decode()
    found: list[Outputs] = json.loads(done.stdout)
    return found


def sources(notebook: str, **parameters: str) -> list[str]:
    """Return a notebook's code, with parameters changed as a person would: in their cell."""
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for name, value in parameters.items():
        code[0], count = re.subn(rf'^{name} = ".*"$', f'{name} = "{value}"', code[0], flags=re.M)
        assert count == 1
    return code


def fault(outputs: Outputs) -> str:
    """Return the one line that a failed cell shows, or nothing if it did not fail."""
    errors = [output for output in outputs if output["output_type"] == "error"]
    if not errors:
        return ""
    assert len(errors) == 1
    shown = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(errors[0]["traceback"]))
    assert "\n" not in shown, shown
    return shown


def markdown(outputs: Outputs) -> str:
    """Return what the last output of a cell has for print."""
    text = outputs[-1]["data"]["text/markdown"]
    return text if isinstance(text, str) else "".join(text)
