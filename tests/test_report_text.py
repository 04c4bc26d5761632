"""What programs print, as it stands in the PDF: any character, colours, wide lines, errors."""

import io
import re
import subprocess
from pathlib import Path

import nbformat
import pypdf
import pytest
from nbformat import NotebookNode

from nsbridge.report import assemble, fonts
from nsbridge.report.execute import execute
from nsbridge.report.model import Notebook
from nsbridge.report.paper import pdf
from nsbridge.report.terminal import COLUMNS, decode, folded, highlight, lines
from nsbridge.report.visible import escape_missing, escaped, visible

MESSAGES = {
    "Chinese": "漢字繁體中文",
    "Japanese": "かなカナ",
    "Korean": "한글",
    "Cyrillic": "Привет",
    "Greek": "Ἀθῆναι",
    "Emoji": "😀🦊🇹🇼",
    "Family": "👩\u200d👩\u200d👧",
    "Hebrew": "שלום",
    "Arabic": "مرحبا",
    "Thai": "สวัสดี",
    "Combining": "e\u0301",
    "Symbols": "→ ✓ ∑ ☃ ⌘",
}
# By their documented escapes: pictures of the controls, numbers of what has no shape or no font.
ODD = {
    "\x00": "␀",
    "\x07": "␇",
    "\x08": "␈",
    "\x1b": "␛",
    "\x7f": "␡",
    "\x85": "⟦U+0085⟧",
    "\xad": "⟦U+00AD⟧",
    "\u200b": "⟦U+200B⟧",
    "\u202e": "⟦U+202E⟧",
    "\u2028": "⟦U+2028⟧",
    "\ue000": "⟦U+E000⟧",
    "\ufeff": "⟦U+FEFF⟧",
    "\uffff": "⟦U+FFFF⟧",
    "\U00013000": "⟦U+13000⟧",
    "\U000e0001": "⟦U+E0001⟧",
}
WIDE = "".join(f"{number:04d}." for number in range(60))

SOURCES = (
    f"for kind, message in {MESSAGES!a}.items():\n    print(kind, '=', message)",
    f"for odd in {[odd for odd in ODD if odd != chr(27)]!a}:\n    print(f'{{ord(odd):x}}<{{odd}}>')",
    "print('1b<\\x1b>')",
    f"print({WIDE!r})",
    "import sys\n"
    "print('\\x1b[1mbold\\x1b[0m \\x1b[31mred\\x1b[0m \\x1b[38;5;33mof 256 \\x1b[38;2;180;90;0mtrue\\x1b[m')\n"
    "print('a\\tb\\n   indented   three spaces')\n"
    "print('10 %\\r 50 %\\r100 % done')\n"
    "print('to stderr', file=sys.stderr)",
    "from nsbridge.errors import UsageError\nraise UsageError('no such pair: foo-ipc; try net-ipc')",
    "def fails():\n    return 1 / 0\n\nfails()",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    cells: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"c{index}", "metadata": {"tags": ["raises-exception"]}, "source": source}
        | {"outputs": [], "execution_count": None}
        for index, source in enumerate(SOURCES)
    ]
    fence = {
        "cell_type": "markdown",
        "id": "m",
        "metadata": {},
        "source": "An open fence:\n\n```python\nstill = 'open'",
    }
    last = {"cell_type": "markdown", "id": "n", "metadata": {}, "source": "# Last words"}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*cells, fence, last]}
    node: NotebookNode = nbformat.from_dict(content)  # type: ignore[no-untyped-call]  # nbformat's own gap
    return pdf(assemble.article(execute(Notebook("text", node, tmp_path_factory.mktemp("text")))))


@pytest.fixture(scope="module")
def text(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("text") / "text.pdf"
    path.write_bytes(data)
    done = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True, text=True, timeout=60)
    return re.sub("[\u202a-\u202e\u2066-\u2069]", "", done.stdout)


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_is_found_again(kind: str, text: str) -> None:
    squeezed = re.sub(r"\s+", "", text)
    assert re.sub(r"\s+", "", MESSAGES[kind]) in squeezed.replace("é", "e\u0301")


@pytest.mark.parametrize("odd", ODD, ids=escaped)
def test_every_character_without_shape_is_written_out(odd: str, text: str) -> None:
    assert f"{ord(odd):x}<{ODD[odd]}>" in text


def test_streams_keep_their_columns_and_progress_its_last_state(text: str) -> None:
    assert re.search(r"^ *bold red of 256 true$", text, re.M)
    assert re.search(r"indented   +three spaces", text)
    assert re.search(r"^ *100 % done$", text, re.M)
    assert re.search(r"^ *to stderr$", text, re.M)


def test_colours_are_on_the_page(data: bytes) -> None:
    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    drawn = b"".join(content.get_data() for page in pages if (content := page.get_contents()) is not None)
    found = {
        tuple(round(255 * float(value)) for value in colour)
        for colour in re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) (?:scn|rg)", drawn)
    }
    assert {(179, 38, 30), (0, 135, 255), (180, 90, 0)} <= found


def test_wide_lines_are_whole_and_their_cuts_marked(text: str) -> None:
    printed = [line.strip() for line in text.splitlines()]
    start = next(index for index, line in enumerate(printed) if line.startswith(WIDE[:40]))
    assert [line[:2] for line in printed[start + 1 : start + 3]] == ["↪ ", "↪ "]
    assert "".join(line.removeprefix("↪ ") for line in printed[start : start + 3]) == WIDE


def test_own_error_is_one_line_and_a_foreign_one_keeps_its_traceback(text: str) -> None:
    own, foreign = text.split("def fails():", 1)
    assert re.search(r"^ *UsageError: no such pair: foo-ipc; try net-ipc$", own, re.M)
    assert "Traceback" not in own
    assert "ZeroDivisionError: division by zero" in foreign


def test_open_fence_ends_with_its_cell(text: str) -> None:
    assert "still = 'open'" in text
    assert re.search(r"^ *1 +Last words$", text, re.M)


def test_visible_keeps_what_has_a_shape() -> None:
    assert visible("plain\n\ttext é 漢 👩\u200d👩") == "plain\n\ttext é 漢 👩\u200d👩"
    assert visible("a\r\nb\rc\x1b\ud800") == "a\nb␍c␛⟦U+D800⟧"
    assert escape_missing("aé漢", {ord("é")}) == "aé⟦U+6F22⟧"


def test_escape_sequences_other_than_colours_are_dropped() -> None:
    shown = decode("\x1b]0;title\x07\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\ \x1b[2J\x1b[?25l\x1b[1;31mred\x1b[m\n")
    assert shown.plain == "link red"
    assert decode("\x1b> \x1b[漢 \x1b]open \x1b(B").plain == "␛> ␛[漢 ␛]open "
    assert [(span.text, span.ink, span.bold) for span in next(lines(shown))][-1] == ("red", "#b3261e", True)


def test_no_folded_line_is_wider_than_the_page() -> None:
    for row in folded(decode("漢" * 300 + "\n" + "x" * 500)):
        assert sum(2 if ord(char) > 0x3000 else 1 for span in row for char in span.text) <= COLUMNS


def test_highlight_changes_no_character_and_takes_any_lexer() -> None:
    source = "%matplotlib inline\nx = 'a' # b\n\n!ls"
    for lexer in ("ipython3", "no-such-lexer", ""):
        assert highlight(source, lexer).plain == source


def test_missing_fonts_leave_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {"DejaVu Sans": fonts.fallbacks()["DejaVu Sans"]}
    monkeypatch.setattr(fonts, "fallbacks", lambda: alone)
    fonts.covered.cache_clear()
    try:
        cell = {
            "cell_type": "markdown",
            "id": "a",
            "metadata": {},
            "source": "漢 🦊 `한` שלום $漢 + \\text{漢} \x85$",
        }
        content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
        node: NotebookNode = nbformat.from_dict(content)  # type: ignore[no-untyped-call]  # nbformat's own gap
        page = pypdf.PdfReader(io.BytesIO(pdf(assemble.article(Notebook("x", node, Path()))))).pages[0].extract_text()
    finally:
        fonts.covered.cache_clear()
    assert [page.count(number) for number in ("U+6F22", "U+1F98A", "U+D55C", "U+0085")] == [3, 1, 1, 1]
