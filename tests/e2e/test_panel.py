"""The panel in a real kernel: what it does with a lab, what it prints, and that no kernel's end leaves an orphan."""

import re
import subprocess

import pytest

from .host import NSBRIDGE, User, inodes
from .playing import fault, markdown, play, sources

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.timeout(120)]

PANEL = "from nsbridge.show.panel import Panel; panel = Panel('ipc-mnt', 'e2e-panel'); panel"
DIES = "import os; os.kill(os.getpid(), 9)"
UNTIL = """
import time
deadline = time.monotonic() + 15
while {!r} not in panel._repr_mimebundle_()['text/markdown'] and time.monotonic() < deadline:
    time.sleep(0.05)
panel
"""


def test_the_panel_has_a_twin_in_print(root: User) -> None:
    shown = play(root, *sources("00-panel", pair="mnt-net", name="e2e-panel"))
    assert [fault(each) for each in shown] == [""] * len(shown)
    assert markdown(shown[1]) == "Lab `e2e-panel` is **down**."
    text = markdown(shown[-1])
    assert text.startswith("Lab `e2e-panel` is **up**: mnt-net, MNT shared with A and NET with B.\n")
    for kind, columns in (("MNT", (3, 4)), ("NET", (4, 5))):
        row = next(line for line in text.splitlines() if line.startswith(f"| **{kind}**")).split("|")
        one, other = (re.fullmatch(r" \*\*(\d+)\*\* ", row[column]) for column in columns)
        assert one, row
        assert other, row
        assert one[1] == other[1]
    assert len(re.findall(r"\| `This is the first sentence` +\| `This is the first sentence` +\|", text)) == 2
    assert re.search(r"Round trips of \d+: median ", text)


def test_a_killed_kernel_leaves_a_lab_that_the_next_panel_finds(student: User) -> None:
    play(student, PANEL, "panel.up()", DIES)
    left = student.status("e2e-panel")
    assert left["state"] == "running"
    mine = inodes(left["bridge"]["pid"])
    found, _, said = play(student, PANEL, "panel.say('still there')", "panel")
    assert "is **up**: ipc-mnt, IPC shared with A and MNT with B (found again)" in markdown(found)
    assert str(mine["ipc"]) in markdown(found)
    assert "| `still there`" in markdown(said)


def test_a_kernel_killed_while_it_makes_a_lab_leaves_nothing_in_the_next_ones_way(student: User) -> None:
    half = "lab = show.fresh('net-mnt', 'e2e-panel'); lab.prepare(); lab.create(); lab.start(); lab.step('open')"
    play(student, "from nsbridge import show", half, DIES)
    found, _, up = play(student, PANEL, "panel.up()", "panel")
    assert "is **down**" in markdown(found)
    assert "is **up**" in markdown(up)


def test_what_becomes_of_the_lab_is_seen_and_faults_are_a_line(root: User) -> None:
    command = f"import subprocess; print(subprocess.run([{str(NSBRIDGE)!r}, {{}}, '--name', 'e2e-panel']).returncode)"
    kill = (
        "import json, os; from nsbridge.lab import Lab; "
        "os.kill(json.load(open(Lab.find('e2e-panel').folder / 'lab.json'))['a'], 9)"
    )
    shown = play(
        root,
        PANEL,
        "panel.say('nobody is there')",
        "panel.up()",
        command.format("'restart', 'bridge'"),
        "panel.say('after the restart')",
        UNTIL.format("is **up**"),
        kill,
        UNTIL.format("is **broken**"),
        "panel.up('net-mnt')",
        "again = Panel('net-mnt', 'e2e-panel'); again.say('once more'); again",
        command.format("'down'"),
        UNTIL.replace("panel", "again").format("somebody else took the lab down"),
    )
    assert fault(shown[1]) == "UsageError: there is no lab to talk through; bring it up first"
    assert [fault(each) for place, each in enumerate(shown) if place != 1] == [""] * 11
    assert "| `after the restart`" in markdown(shown[5])
    assert "is **broken**: an echo did not come back: " in markdown(shown[7])
    assert "is **up**: net-mnt, NET shared with A and MNT with B (found again)" in markdown(shown[9])
    assert "is **down**: somebody else took the lab down" in markdown(shown[11])


def test_a_wish_that_cannot_be_is_refused_before_anything_is_touched(root: User) -> None:
    shown = play(root, PANEL, "panel.up('net-net')", "Panel('net-ipc', 'Not A Name')", "Panel('x')", "panel")
    assert fault(shown[1]).startswith("UsageError: no such pair: 'net-net'")
    assert fault(shown[2]).startswith("UsageError: no name for a lab: 'Not A Name'")
    assert fault(shown[3]).startswith("UsageError: no such pair: 'x'")
    assert "is **down**." in markdown(shown[4])


def test_a_lab_out_of_reach_is_taken_down(student: User) -> None:
    """A kernel can be in one outer user namespace; a lab of the panel's name in another is taken down."""
    for name in ("e2e-first", "e2e-panel"):
        student.up(name, "net-ipc")
    try:
        found, _, up = play(student, PANEL, "panel.up()", "panel")
        assert "is **down**" in markdown(found)
        assert "is **up**" in markdown(up)
    finally:
        for name in ("e2e-first", "e2e-panel"):
            assert student.nsbridge("down", "--name", name).returncode == 0
    assert subprocess.run(["pgrep", "-f", "e2e-panel"], check=False, capture_output=True).stdout == b""
