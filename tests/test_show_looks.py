"""The parts of the panel as a browser would read them."""

import re

import pytest
from bs4 import BeautifulSoup

from nsbridge.namespaces import Kind
from nsbridge.show import looks, sharing
from nsbridge.show.talk import Echo


@pytest.mark.parametrize(
    ("us", "words"),
    [(0.4, "0 µs"), (999.4, "999 µs"), (999.6, "1 ms"), (1234, "1.23 ms"), (99_960, "100 ms"), (2.5e6, "2.5 s")],
)
def test_a_time_has_three_digits_or_so(us: float, words: str) -> None:
    assert looks.duration(us) == words


def test_what_was_typed_stays_text() -> None:
    typed = "<script>alert(1)</script> & 世界 \x00".encode()
    page = BeautifulSoup(looks.transcript([Echo(typed + b"\n", b"changed\n", 120.0)]), "html.parser")
    assert page.script is None
    assert [text.get_text() for text in page("p")] == ["<script>alert(1)</script> & 世界 ␀", "changed"]
    assert page.select_one(".nsb-echo.changed") is not None
    assert "<hr>" not in looks.state("down", "<hr>", "<hr>")


def test_the_newest_echo_comes_first() -> None:
    page = looks.transcript([Echo(b"first\n", b"first\n", 1.0), Echo(b"second\n", b"second\n", 1.0)])
    assert page.index("second") < page.index("first")


def test_the_strip_has_a_bar_for_each_round_trip_and_none_leaves_it() -> None:
    page = BeautifulSoup(looks.strip([(10.0, False), (700.0, True), (5e6, False)]), "html.parser")
    beat, typed = (str(page.select_one(f"path.{name}")) for name in ("beat", "typed"))
    assert (beat.count("M"), typed.count("M")) == (2, 1)
    height = float(str(page.svg["viewbox"]).split()[-1]) if page.svg else 0.0
    assert all(0 <= float(top) <= height for top in re.findall(r"V([\d.]+)", beat + typed))
    assert "of 3: median 700 µs, slowest 5 s, last 5 s" in page.get_text()


def test_a_cell_has_the_colour_of_the_one_that_the_bridge_shares_it_with() -> None:
    found = {who: {kind.proc: number for kind in Kind} for number, who in enumerate(sharing.PEOPLE, 1)}
    found["bridge"] = found["host"] | {"net": found["a"]["net"], "mnt": found["b"]["mnt"], "uts": 9}
    page = BeautifulSoup(looks.table(sharing.rows(found)), "html.parser")
    colours = {str(row.th.string): [str(cell["class"][0]) for cell in row("td", class_=re.compile("[ab]"))]
               for row in page("tr")[1:] if row.th}  # fmt: skip
    assert colours == {kind.name: [] for kind in Kind} | {"NET": ["a", "a"], "MNT": ["b", "b"]}
    words = {row.kind: row.words for row in sharing.rows(found)}
    assert (words["NET"], words["UTS"], words["PID"]) == ("with A", "with nobody", "with the host")
