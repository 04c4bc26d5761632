"""The table of who is in which namespace, and tables on a terminal and in print."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nsbridge.census import census, table
from nsbridge.namespaces import Kind, identify
from nsbridge.tables import Table


@pytest.fixture
def apart() -> Iterator[int]:
    """A process in a USER and a UTS namespace of its own."""
    argv = ["unshare", "--user", "--uts", "sh", "-c", "echo; cat"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_every_kind_is_as_readlink_tells(apart: int) -> None:
    for name, kinds in census({"me": "self", "other": apart}).items():
        place = f"/proc/{apart if name == 'other' else 'self'}/ns"
        assert {kind: f"{kind}:[{inode}]" for kind, inode in kinds.items()} == {
            kind.proc: os.readlink(f"{place}/{kind.proc}") for kind in Kind
        }


def test_who_is_gone_has_none() -> None:
    assert census({"none": 0, "gone": 2**22 + 1}) == {"none": {}, "gone": {}}
    assert table({"host": "self", "gone": 0}).rows[0][2] == "-"


def test_what_was_seen_before_may_be_given() -> None:
    assert census({"then": identify()})["then"] == census({"now": "self"})["now"]


def test_cells_that_two_share_are_marked_but_not_those_of_the_host(apart: int) -> None:
    shown = table({"host": "self", "one": apart, "two": apart, "me": os.getpid()})
    assert shown.header == ["kind", "host", "one", "two", "me"]
    marked = {(shown.rows[row][0], column) for row, column in shown.marked}
    assert marked == {(kind, column) for kind in ("USER", "UTS") for column in (2, 3)}


def test_a_table_is_shown_whole_and_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    wide = "x" * 300
    Table(["a", "b"], [["[red]not markup[/]", "[Errno 2]"], [wide, "你好"]], frozenset({(0, 0)})).print()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["[red]not", "markup[/]", "[Errno", "2]"]
    assert lines[2].split() == [wide, "你好"]


def test_marked_cells_are_green_on_a_terminal() -> None:
    program = "from nsbridge.tables import Table; Table(['a'], [['b'], ['c']], frozenset({(1, 0)})).print()"
    env = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert "\x1b[32mc\x1b[0m" in done.stdout
    assert "\x1b[32mb" not in done.stdout


def test_in_print_marked_cells_are_bold_and_bars_stay_bars() -> None:
    text = Table(["a", "b"], [["x|y", "z"]], frozenset({(0, 1)}))._repr_markdown_()
    assert text.splitlines() == ["| a | b |", "| --- | --- |", r"| x\|y | **z** |"]
