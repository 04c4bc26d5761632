"""The ways to install say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[]", line)[0].lower().replace("_", "-") for line in requirements}


def project() -> dict[str, list[str]]:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {"run": data["dependencies"], **data["optional-dependencies"], "python": [data["requires-python"]]}


def test_conda_installs_what_the_project_declares() -> None:
    text = (ROOT / "environment.yml").read_text()
    assert "--editable .[test]" in text
    assert "--constraint constraints.txt" in text
    assert f"python{project()['python'][0]}" in text


def test_every_dependency_has_a_constraint() -> None:
    constrained = names((ROOT / "constraints.txt").read_text().split())
    assert names(project()["run"] + project()["test"]) <= constrained


def test_every_constraint_is_a_name_and_a_version() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line
