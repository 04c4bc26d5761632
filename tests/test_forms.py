"""What a cell shows, in both of its forms."""

from nsbridge.forms import EVIDENCE, Lines, Sheet, bold, mono, plain


def test_marks_in_text_stay_text() -> None:
    sheet = Sheet(["a"], [[plain("*x* | <b> `y`")], [mono("a|b `c`")], [bold("d_e")]])
    assert sheet.markdown().splitlines()[2:] == [
        r"| \*x\* \| \<b\> \`y\` |",
        r"| `` a\|b `c` `` |",
        r"| **d\_e** |",
    ]


def test_as_text_a_table_has_no_marks() -> None:
    assert repr(Sheet(["kind", "n"], [[bold("NET"), mono(r"\xff|1")]])) == "kind  n\nNET   \\xff|1"


def test_columns_share_the_width_by_what_they_hold() -> None:
    rule = Sheet(["a", "b"], [["x", "y" * 40]], "lr").markdown().splitlines()[1]
    assert rule == f"| :-- | {'-' * 39}: |"


def test_facts_travel_with_what_is_shown() -> None:
    assert Lines("text", {"fact": 1})._repr_mimebundle_() == {"text/plain": "text", EVIDENCE: {"fact": 1}}
    assert EVIDENCE not in Sheet(["a"], [["b"]])._repr_mimebundle_()
