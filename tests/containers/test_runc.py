"""The wrapper of runc: what it would call and how it reads the answers; no container is made."""

from pathlib import Path

import pytest

from nsbridge.containers.runc import Runc, condense, version
from nsbridge.errors import ContainerError, HostError

RUNC = Runc(Path("/state"), rootless=True)


def test_every_call_names_the_state_folder_and_says_whether_root_is_there() -> None:
    assert RUNC.argv("start", "lab-a") == ["runc", "--root", "/state", "--rootless=true", "start", "lab-a"]
    assert Runc(Path("/state"), rootless=False).argv()[3] == "--rootless=false"


def test_exec_takes_a_terminal_and_variables() -> None:
    assert RUNC.exec_argv("lab-a", ["sh"])[4:] == ["exec", "lab-a", "sh"]
    assert RUNC.exec_argv("lab-a", ["sh"], {"A": "b"}, tty=True)[4:] == [
        "exec",
        "--tty",
        "--env",
        "A=b",
        "lab-a",
        "sh",
    ]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            'time="2026-01-01T00:00:00Z" level=error msg="runc create failed: exec: \\"x\\": no"',
            'runc create failed: exec: "x": no',
        ),
        ('time="…" level=warning msg="careful"\ntime="…" level=error msg="first\\nsecond"', "first second"),
        ("time=x level=error msg=EOF\n", "EOF"),
        ("No such file\n\n", "No such file"),
        ("", "it gave no reason"),
    ],
)
def test_the_last_error_is_one_line(log: str, said: str) -> None:
    assert condense(log) == said


def test_an_unknown_container_is_refused_in_runcs_words(tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match=r"runc state nobody: .*does not exist"):
        Runc(tmp_path, rootless=False).state("nobody")


def test_an_empty_list_is_empty(tmp_path: Path) -> None:
    assert Runc(tmp_path, rootless=False).containers() == []


def test_a_host_without_runc_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert version()[0].isdigit()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="install it"):
        version()
