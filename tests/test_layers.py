"""The layers of ARCHITECTURE.md, against what the modules import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "nsbridge"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _layers() -> dict[str, int]:
    """Return the row in which a module or folder stands: `lab.py`, `media/`."""
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("| layer |")[2].partition("\n## ")[0]
    firsts = [row.split("|")[1] for row in table.splitlines()[2:] if row.startswith("|")]
    return {name: number for number, first in enumerate(firsts) for name in re.findall("`([^`]+)`", first)}


def _part(module: Path) -> str:
    inner = module.relative_to(PACKAGE)
    return f"{inner.parts[0]}/" if len(inner.parts) > 1 else inner.name


def _imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "nsbridge":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nsbridge."):
            yield str(node.module).split(".")[1]


def test_every_layer_is_there() -> None:
    assert {_part(module) for module in MODULES} == set(_layers())


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_layer_imports_a_higher_one(module: Path) -> None:
    layers = _layers()
    for name in _imports(module):
        if name == "__version__":
            continue
        part = f"{name}/" if (PACKAGE / name).is_dir() else f"{name}.py"
        assert layers[part] <= layers[_part(module)], f"{module} imports {part}"
