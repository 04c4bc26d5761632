"""The PDF of one demanding notebook, executed for real and read back by poppler and pypdf."""

import base64
import io
import re
import subprocess
from pathlib import Path
from typing import Any

import nbconvert
import nbformat
import pypdf
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nsbridge.report.execute import execute
from nsbridge.report.exporter import PdfExporter
from nsbridge.report.model import Notebook
from nsbridge.report.visible import escaped

PIXEL = base64.b64encode(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
).decode()

# One message of each kind, and how it is found again.
MESSAGES = {
    "Chinese": "漢字繁體中文",
    "Japanese": "かなカナ",
    "Korean": "한글",
    "Cyrillic": "Привет",
    "Greek": "Ἀθῆναι",
    "Emoji": "😀🦊🇹🇼",
    "Hebrew": "שלום",
    "Symbols": "→ ✓ ∑ ☃ ⌘",
}
ODD = {
    "\x00": "␀",
    "\x07": "␇",
    "\x1b": "␛",
    "\x7f": "␡",
    "\x85": "⟦U+0085⟧",
    "\u202e": "⟦U+202E⟧",
    "\u2028": "⟦U+2028⟧",
    "\ue000": "⟦U+E000⟧",
    "\U000e0001": "⟦U+E0001⟧",
    "\uffff": "⟦U+FFFF⟧",
    "\U00013000": "⟦U+13000⟧",
}
WIDE = "".join(f"{number:04d}." for number in range(60))

INTRODUCTION = """\
# The demanding notebook

Text with *emphasis*, `inline code`, a formula $a^2 \\le \\frac{b}{2}$, a note[^1], "quotes", a
[link](https://www.kernel.org/doc/), [a place](#The-second-part) and [another](#the-second-part), and [](#fig-wave),
[Table](#tab-pairs) or [the wave](#fig-wave) by name. A [dead link](#nowhere) is text.
<b>Raw</b> HTML<br>goes. A path: /sys/fs/cgroup/unified/nsbridge/lab/containers/lab-a/tasks/and/so/on/until/it/is/too/long.

[^1]: The note itself, with `code`.

> Quoted words, over
> two lines.

> [!NOTE]
> An alert as GitHub has them.

1. one
   - nested
2. two

$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt\\pi}{2}$$

```c
int fd = msgget(5566, IPC_CREAT | 0600); /* a fenced block */
```
"""


def demo() -> Notebook:
    """Return the notebook, not yet executed."""
    text = new_markdown_cell
    cells: list[NotebookNode] = [
        text(INTRODUCTION),
        new_code_cell("pair = 'net-ipc'\ncount = 3", metadata={"tags": ["parameters"]}),
        new_code_cell("import sys\nimport warnings\nprint(pair, count)"),
        text("## The same heading\n\nFirst."),
        text(
            "## The same heading\n\nSecond, with a picture: ![a pixel](attachment:pixel.png)",
            attachments={"pixel.png": {"image/png": PIXEL}},
        ),
        text("## The second part\n\n### Streams and colours"),
        new_code_cell(
            "print('\\x1b[1mbold\\x1b[0m \\x1b[31mred\\x1b[0m \\x1b[38;5;33mblue of 256\\x1b[0m '\n"
            "      '\\x1b[38;2;180;90;0mtrue colour\\x1b[0m \\x1b[7mreversed\\x1b[0m \\x1b[4munder\\x1b[0m')\n"
            "print('a\\tb\\n   indented   three spaces')\n"
            "print('10 %\\r 50 %\\r100 % done')\n"
            "print('to stderr', file=sys.stderr)"
        ),
        new_code_cell(f"print({WIDE!r})"),
        new_code_cell(
            f"messages = {MESSAGES!r}\nfor kind, message in messages.items():\n    print(f'{{kind:10}} {{message}}')"
        ),
        new_code_cell(
            f"for odd in {[c for c in ODD if c != chr(27)]!r}:\n    print('<' + odd + '>')\nprint('lone \\x1b')"
        ),
        text("### Pictures and tables"),
        new_code_cell(
            "import matplotlib.pyplot as plt\nplt.figure(figsize=(6, 2.6))\nplt.plot([0, 1, 4, 9, 16])\nplt.xlabel('x')\nplt.show()",
            metadata={
                "caption": "A wave that is none. The second sentence stays out of the list.",
                "label": "fig-wave",
                "alt": "A rising line",
            },
        ),
        new_code_cell(
            "from IPython.display import HTML, Markdown, display\n"
            "display(Markdown('| pair | p50 in µs | p99 |\\n|:--|--:|--:|\\n' + '\\n'.join(\n"
            "    f'| `{x}-{y}` | {len(x) + 0.5} | {len(y)} |' for x in ('net', 'ipc', 'mnt') for y in ('net', 'ipc', 'mnt') if x != y)))",
            metadata={"caption": "Six pairs, **invented**.", "label": "tab-pairs"},
        ),
        new_code_cell(
            "display(HTML('<table><tr><th>kind</th><th>inode</th></tr><tr><td>net</td><td>4026531840</td></tr></table><script>x</script>'),\n"
            "        metadata={'caption': 'From HTML alone.', 'label': 'tab-html'})"
        ),
        new_code_cell("secret = 'hidden source'\nprint('shown output')", metadata={"tags": ["hide-input"]}),
        new_code_cell("print('hidden output')", metadata={"tags": ["hide-output"]}),
        new_code_cell("print('removed cell')", metadata={"tags": ["remove-cell"]}),
        new_code_cell("import ipywidgets\ndisplay(ipywidgets.IntSlider(value=7))"),
        text("### What went wrong"),
        new_code_cell(
            "from nsbridge.errors import UsageError\nraise UsageError('no such pair: foo-ipc; try net-ipc')",
            metadata={"tags": ["raises-exception"]},
        ),
        new_code_cell("def fails():\n    return 1 / 0\n\nfails()", metadata={"tags": ["raises-exception"]}),
        text("An unclosed fence:\n\n```python\nprint('still open')"),
        text("## Last words\n\nStill a section."),
    ]
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"
    metadata: dict[str, Any] = {
        "title": "Demanding & <odd> #1",
        "subtitle": "everything at once",
        "authors": [{"name": "A. Tester"}],
        "date": "2026-01-02",
        "pair": "net-ipc",
        "machine": "x86-64, 2 cores",
    }
    return Notebook("demo", new_notebook(cells=cells, metadata=metadata), Path("."))


Rendered = tuple[NotebookNode, bytes, Path]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    folder = tmp_path_factory.mktemp("pdf")
    node = execute(demo(), {"count": 5}, cwd=folder).node
    nbformat.validate(node)
    path = folder / "demo.pdf"
    path.write_bytes(export(node))
    return node, path.read_bytes(), path


@pytest.fixture(scope="module")
def text(rendered: Rendered) -> str:
    return poppler("pdftotext", "-layout", rendered[2], "-")


def export(node: NotebookNode) -> bytes:
    data, resources = PdfExporter().from_notebook_node(node, {"metadata": {"name": "demo", "path": ""}})
    assert resources["output_extension"] == ".pdf"
    assert isinstance(data, bytes)
    return data


def poppler(program: str, *arguments: str | Path) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, check=True, text=True, timeout=60)
    assert not done.stderr
    return done.stdout


def test_found_by_nbconvert_under_its_entry_point() -> None:
    assert nbconvert.get_exporter("nsbridge_pdf") is PdfExporter


def test_same_notebook_gives_the_same_bytes(rendered: Rendered) -> None:
    assert export(rendered[0]) == rendered[1]


def test_bare_notebook_prints() -> None:
    reader = pypdf.PdfReader(io.BytesIO(export(demo().node)))
    assert "The demanding notebook" not in reader.pages[0].extract_text().split("Contents")[0]
    assert "Streams and colours" in reader.pages[0].extract_text()


def test_empty_notebook_prints_its_name() -> None:
    assert "demo" in pypdf.PdfReader(io.BytesIO(export(new_notebook()))).pages[0].extract_text()


def test_title_page_says_what_the_metadata_say(rendered: Rendered) -> None:
    reader = pypdf.PdfReader(io.BytesIO(rendered[1]))
    first = reader.pages[0].extract_text()
    for words in (
        "Demanding & <odd> #1",
        "everything at once",
        "A. Tester",
        "2026-01-02",
        "net-ipc",
        "x86-64, 2 cores",
    ):
        assert words in first
    assert reader.metadata
    assert (reader.metadata.title, reader.metadata.author) == ("Demanding & <odd> #1", "A. Tester")


def test_contents_lead_to_the_pages_of_the_headings(rendered: Rendered, text: str) -> None:
    pages = text.split("\f")
    entries = re.findall(r"^ *(\d[\d.]*) +(\S.*?)[ .]{5,}(\d+)$", pages[0], re.M)
    assert [number for number, _, _ in entries] == ["1", "2", "3", "3.1", "3.2", "3.3", "4"]
    assert [title for _, title, _ in entries][:3] == ["The same heading", "The same heading", "The second part"]
    for number, title, page in entries:
        assert re.search(rf"^ *{re.escape(number)} +{title}$", pages[int(page) - 1], re.M)
    outline = pypdf.PdfReader(io.BytesIO(rendered[1])).outline
    assert sum(not isinstance(entry, list) for entry in outline) >= 4


def test_captions_are_numbered_in_order_and_listed(text: str) -> None:
    listed, body = text.split("\f", 1)
    assert re.findall(r"(?:Figure|Table) \d+", listed.split("Tables\n")[0])[:1] == ["Figure 1"]
    assert re.search(r"Figure 1 +A wave that is none[ .]+\d", listed)
    captions = re.findall(r"^ *((?:Figure|Table) \d+) +(.*)$", body, re.M)
    assert captions == [
        ("Figure 1", "A wave that is none. The second sentence stays out of the list."),
        ("Table 1", "Six pairs, invented."),
        ("Table 2", "From HTML alone."),
    ]


def test_links_by_label_print_numbers_and_dead_ones_are_text(rendered: Rendered, text: str) -> None:
    flat = " ".join(text.split())
    assert "Figure 1, Table 1 or the wave by name. A dead link is text. Raw HTML goes." in flat
    reader = pypdf.PdfReader(io.BytesIO(rendered[1]))
    kinds = [
        note.get_object()["/A"]["/S"] if "/A" in note.get_object() else "/GoTo" for note in reader.pages[0]["/Annots"]
    ]
    assert kinds.count("/URI") == 1
    assert kinds.count("/GoTo") >= 5


def test_every_message_is_found_again(text: str) -> None:
    plain = re.sub("[\u202a-\u202e]", "", text)
    for kind, message in MESSAGES.items():
        assert re.search(rf"{kind} +{message}", plain) or message in plain, kind


@pytest.mark.parametrize("odd", ODD, ids=escaped)
def test_every_character_without_shape_is_written_out(odd: str, text: str) -> None:
    found = f"lone {ODD[odd]}" if odd == "\x1b" else f"<{ODD[odd]}>"
    assert found in re.sub(r"(?<=[<>⟦⟧]) | (?=[<>⟦⟧])", "", text)


def test_streams_keep_their_columns_and_progress_its_last_state(text: str) -> None:
    assert re.search(r"^ *bold red blue of 256 +true colour reversed under$", text, re.M)
    assert re.search(r"indented   +three spaces", text)
    assert re.search(r"^ *100 % done$", text, re.M)


def test_colours_are_on_the_page(rendered: Rendered) -> None:
    streams = b"".join(
        page.get_contents().get_data()
        for page in pypdf.PdfReader(io.BytesIO(rendered[1])).pages
        if page.get_contents()
    )
    for red, green, blue in ((179, 38, 30), (0, 135, 255), (180, 90, 0)):
        near = [rb"%.3f" % (value / 255) for value in (red, green, blue)]
        pattern = rb" ".join(re.escape(value[:4]) + rb"\d*" if value > b"0.000" else rb"0" for value in near)
        assert re.search(pattern, streams), (red, green, blue)


def test_wide_lines_are_whole_and_their_cuts_marked(text: str) -> None:
    lines = [line.strip() for line in text.splitlines()]
    start = next(index for index, line in enumerate(lines) if line.startswith(WIDE[:40]))
    assert lines[start + 1].startswith("↪ ")
    assert "".join(line.removeprefix("↪ ") for line in lines[start : start + 3]) == WIDE


def test_tags_are_respected(text: str) -> None:
    assert "hidden source" not in text
    assert "shown output" in text
    assert not re.search(r"^ *hidden output$", text, re.M)
    assert "removed cell" not in text


def test_no_widget_stub_and_no_script(text: str) -> None:
    assert "IntSlider(value=7)" not in text.replace("display(ipywidgets.IntSlider(value=7))", "")
    assert not re.search(r"^ *x$", text.split("From HTML alone.")[-1].split("shown output")[0], re.M)


def test_own_error_is_one_line_and_a_foreign_one_keeps_its_traceback(text: str) -> None:
    own, foreign = text.split("def fails():", 1)
    assert "UsageError: no such pair: foo-ipc; try net-ipc" in own
    assert "Traceback" not in own
    assert "ZeroDivisionError: division by zero" in foreign


def test_unclosed_fence_ends_with_its_cell(text: str) -> None:
    assert "print('still open')" in text
    assert re.search(r"^ *4 +Last words$", text, re.M)


def test_every_font_is_embedded(rendered: Rendered) -> None:
    rows = poppler("pdffonts", rendered[2]).splitlines()[2:]
    assert rows
    assert all(re.search(r" yes (?:yes|no ) (?:yes|no ) +\d+ +\d+$", row) for row in rows)


def test_nothing_stands_outside_the_margins(rendered: Rendered) -> None:
    words = re.findall(
        r'xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)"',
        poppler("pdftotext", "-bbox", rendered[2], "-"),
    )
    assert words
    for left, top, right, bottom in (map(float, word) for word in words):
        assert 70 < left < right < 595.3 - 70
        assert 20 < top < bottom < 841.9 - 20


def test_pdf_is_tagged_and_pictures_have_words(rendered: Rendered) -> None:
    root = pypdf.PdfReader(io.BytesIO(rendered[1])).root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert "A rising line" in poppler("pdfinfo", "-struct-text", rendered[2]) + repr(
        _alternatives(root["/StructTreeRoot"])
    )


def _alternatives(element: Any) -> list[str]:
    element = element.get_object() if hasattr(element, "get_object") else element
    if not isinstance(element, dict):
        return []
    children = element.get("/K", [])
    children = children if isinstance(children, list) else [children]
    below = [words for child in children for words in _alternatives(child)]
    return ([str(element["/Alt"])] if "/Alt" in element else []) + below
