"""What a person at a notebook gets wrong is told in one readable line, and the next run works."""

import os
import re
from pathlib import Path

import pytest

from nsbridge.study.pairs import Results

from .host import User
from .playing import fault, play, sources
from .test_bad_input import FORBID, LIMIT

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.timeout(120)]

NO_PAIR = "UsageError: no such pair: 'net-net'; choose one of net-ipc, net-mnt, ipc-net, ipc-mnt, mnt-net, mnt-ipc"


def test_a_wrong_pair_and_then_a_right_one(root: User) -> None:
    cells = []
    for book in ("00-panel", "01-bundles", "02-containers", "03-bridge", "06-safety"):
        for pair in ("net-net", "mnt-ipc"):
            parameters, first, *_ = sources(book, pair=pair, name=f"e2e-{book[:2]}")
            cells += [parameters, first]
    shown = play(root, *cells)
    for wrong, right in zip(shown[1::4], shown[3::4], strict=True):
        assert fault(wrong) == NO_PAIR
        assert fault(right) == ""


def test_a_wrong_pair_where_all_are_measured(root: User, tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    Results().save(records)
    four, five = sources("04-pairs", pair="net-net", records=str(records)), sources("05-speed", pair="net-net")
    shown = play(root, *four[:3], *five[:2])
    assert [fault(each) for each in shown] == ["", "", NO_PAIR, "", NO_PAIR]


def test_a_host_without_runc(student: User, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    parameters, *rest = sources("00-panel", name="e2e-bare")
    mend = f"import os; os.environ['PATH'] = {os.environ['PATH']!r}"
    shown = play(student, parameters, *rest, mend, *rest, PATH=str(tmp_path))
    assert fault(shown[2]) == "HostError: runc is missing: install it (apt-get install runc)"
    assert [fault(each) for each in shown[5:]] == ["", "", ""]


@pytest.mark.parametrize("how", FORBID)
def test_a_host_that_forbids_user_namespaces(student: User, how: str) -> None:
    place = {"map": "--map-current-user", "limit": LIMIT}
    wrapped = [word.format(**place) if "{" in word else word for word in FORBID[how]]
    parameters, first, *_ = sources("01-bundles", name="e2e-forbidden")
    allow = f"from pathlib import Path; Path({LIMIT!r}).write_text('1000')"
    shown = play(student, parameters, first, allow, first, within=tuple(wrapped))
    assert fault(shown[1]).startswith("HostError: user namespaces are forbidden to you")
    assert fault(shown[1]).endswith(", or be root")
    if how == "limit":
        assert fault(shown[3]).endswith("restart the kernel `nsbridge`")


@pytest.mark.parametrize("book", ["01-bundles", "02-containers", "03-bridge", "06-safety"])
def test_cells_out_of_order(root: User, book: str) -> None:
    """Before the first one has run, and when the lab is gone."""
    parameters, *rest = sources(book, name="e2e-order")
    made = next(place for place, source in enumerate(rest) if "show.fresh(" in source)
    opening, down = rest[: made + 1], "lab.down()"
    alone = [source for source in rest if re.search(r"\b(lab|journey|watched)\b", source) and source not in opening]
    alone = [source for source in alone if source != down and "show.fresh(" not in source]
    shown = play(root, parameters, *reversed(alone), *opening, down, *alone)
    before, between, after = shown[1 : len(alone) + 1], shown[len(alone) + 1 : -len(alone)], shown[-len(alone) :]
    assert [fault(each) for each in between] == [""] * len(between)
    for each in before:
        assert "is not defined; run the cells above first, or mend the spelling" in fault(each)
    said = [fault(each) for each in after]
    assert "UsageError: there is no lab 'e2e-order' (any more): make it; in a notebook, run all cells again" in said
    assert all("run all cells again" in line or "run the cells above first" in line for line in said), said


def test_a_step_of_the_bridge_out_of_turn(root: User) -> None:
    parameters, made, first, joined, *_ = sources("03-bridge", name="e2e-steps")
    late = 'journey.step("serve")'
    shown = play(root, parameters, made, first, joined, joined, late, 'journey.step("join y")')
    turn = "UsageError: the bridge's next step is join y, not {}; go on there, or run all cells again"
    said = [fault(each) for each in shown]
    assert said == ["", "", "", "", turn.format("join x"), turn.format("serve"), ""]


def test_every_cell_twice(root: User) -> None:
    cells = sources("02-containers", name="e2e-twice")
    shown = play(root, *(cell for source in cells for cell in (source, source)))
    assert [fault(each) for each in shown] == [""] * len(shown)


def test_a_kernel_interrupted_in_mid_bench(student: User) -> None:
    """By the signal that Jupyter sends, to the kernel's group, at several points of the bench of a pair."""
    delays = (0.3, 1.2)
    bench = "pairs.measured('', 'e2e-bench', ['net-ipc'])"
    stop = "threading.Timer({}, os.killpg, (os.getpgrp(), signal.SIGINT)).start()"
    opening = "import os, signal, threading; from nsbridge.study import pairs"
    cells = [f"{stop.format(delay)}; pairs.measured('', 'e2e-bench')" for delay in delays]
    shown = play(student, opening, *cells, bench)
    for each in shown[1:-1]:
        assert fault(each) == "KeyboardInterrupt: the cell was stopped; run it again, or all cells from the first"
    assert fault(shown[-1]) == ""
    assert "net-ipc: median" in str(shown[-1])


def test_an_error_from_deeper_than_the_cell_keeps_its_traceback(root: User) -> None:
    """A missing name in a module is no mistake of who ran the cell."""
    deep = "import types; m = types.ModuleType('m'); exec('def f(): return g', m.__dict__); m.f()"
    (errors,) = play(root, deep)[0]
    assert len(errors["traceback"]) > 1
