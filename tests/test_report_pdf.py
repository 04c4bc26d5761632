"""The PDF of a notebook: its parts, read back by poppler and pypdf."""

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
from PIL import Image

from nsbridge.report.execute import execute
from nsbridge.report.exporter import PdfExporter
from nsbridge.report.model import Notebook

PATH = "/sys/fs/cgroup/unified/nsbridge/lab/containers/lab-a/tasks/and/so/on/until/it/is/too/long"

INTRODUCTION = rf"""
# The demanding notebook

Text with *emphasis*, `inline code`, a formula $a^2 \le \frac{{b}}{{2}}$, a note[^1], "quotes", a
[link](https://www.kernel.org/doc/), [a place](#The-second-part), [another](#the-second-part), and [](#fig-wave),
[Table](#tab-pairs) or [the wave](#fig-wave) by name. A [dead link](#nowhere) is text.
<b>Raw</b> HTML<br>goes. A path: {PATH}.

[^1]: The note itself, with `code`.

> Quoted words.

> [!NOTE]
> An alert as GitHub has them.

1. one
   - nested

---

$$\int_0^\infty e^{{-x^2}}\,dx = \frac{{\sqrt\pi}}{{2}} \foo$$

```c
int fd = msgget(5566, IPC_CREAT | 0600); /* a fenced block */
```
"""

PAIRS = """
from IPython.display import HTML, Markdown, display
rows = [f"| `{x}-{y}` | 3.5 | 9 |" for x in ("net", "ipc", "mnt") for y in ("net", "ipc", "mnt") if x != y]
display(Markdown("\\n".join(["| pair | p50 in µs | p99 |", "|:--|--:|--:|", *rows])))
"""

WAVE = """
import matplotlib.pyplot as plt
plt.figure(figsize=(6, 2.6))
plt.plot([0, 1, 4, 9, 16])
plt.show()
"""

FROM_HTML = """
table = "<table><tr><th>kind</th><th>inode</th></tr><tr><td>net</td><td>4026531840</td></tr></table>"
display(HTML(table + "<script>loaded()</script>"), metadata={"caption": "From HTML alone.", "label": "tab-html"})
"""


def pixel() -> str:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(data, "png")
    return base64.b64encode(data.getvalue()).decode()


def markdown(source: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source, **more}


def code(source: str, *tags: str, **metadata: Any) -> dict[str, Any]:
    cell = {"cell_type": "code", "metadata": {"tags": list(tags), **metadata}, "source": source.strip()}
    return {**cell, "outputs": [], "execution_count": None}


def notebook(*cells: dict[str, Any], **metadata: Any) -> Notebook:
    named = [{"id": f"cell-{index}", **cell} for index, cell in enumerate(cells)]
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": named}
    node: NotebookNode = nbformat.from_dict(content)  # type: ignore[no-untyped-call]  # nbformat's own gap
    return Notebook("demo", node, Path())


def demo() -> Notebook:
    """Return the notebook, not yet executed."""
    return notebook(
        markdown(INTRODUCTION),
        markdown("## The same heading\n\nFirst."),
        markdown(
            "## The same heading\n\nA picture: ![a pixel](attachment:p.png), none: ![gone](gone.png)",
            attachments={"p.png": {"image/png": pixel()}},
        ),
        markdown("## The second part\n\n### Pictures and tables"),
        code(
            WAVE,
            caption="A wave that is none. The rest stays out of the list.",
            label="fig-wave",
            alt="A rising line",
        ),
        code(PAIRS, caption="Six pairs, **invented**.", label="tab-pairs"),
        code(FROM_HTML),
        code("secret = 'hidden source'\nprint('shown output')", "hide-input"),
        code("print('hidden ' + 'output')", "hide-output"),
        code("print('removed cell')", "remove-cell"),
        code("import ipywidgets\ndisplay(ipywidgets.IntSlider(value=7))"),
        markdown("## Last words\n\n" + "| word " * 14 + "|\n" + "|--" * 14 + "|\n" + "|net:[4026531840]" * 14 + "|"),
        title="Demanding & <odd> #1",
        subtitle="everything at once",
        authors=[{"name": "A. Tester"}],
        date="2026-01-02",
        pair="net-ipc",
        machine="x86-64, 2 cores",
    )


Rendered = tuple[NotebookNode, bytes, Path]


def export(node: NotebookNode) -> bytes:
    exporter = PdfExporter()  # type: ignore[no-untyped-call]  # nbconvert's own gap
    data, resources = exporter.from_notebook_node(node, {"metadata": {"name": "demo", "path": ""}})
    assert (resources["output_extension"], exporter.output_mimetype) == (".pdf", "application/pdf")
    assert isinstance(data, bytes)
    return data


def poppler(program: str, *arguments: str | Path) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, check=True, text=True, timeout=60)
    assert not done.stderr
    return done.stdout.replace("\u2060", "")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    folder = tmp_path_factory.mktemp("pdf")
    node = execute(demo(), cwd=folder).node
    nbformat.validate(node)
    path = folder / "demo.pdf"
    path.write_bytes(export(node))
    return node, path.read_bytes(), path


@pytest.fixture(scope="module")
def text(rendered: Rendered) -> str:
    return poppler("pdftotext", "-layout", rendered[2], "-")


def test_found_by_nbconvert_under_its_entry_point() -> None:
    assert nbconvert.get_exporter("nsbridge_pdf") is PdfExporter  # type: ignore[no-untyped-call]


def test_same_notebook_gives_the_same_bytes(rendered: Rendered) -> None:
    assert export(rendered[0]) == rendered[1]


def test_bare_and_empty_notebooks_print() -> None:
    bare = pypdf.PdfReader(io.BytesIO(export(demo().node)))
    assert "Pictures and tables" in bare.pages[0].extract_text()
    assert "demo" in pypdf.PdfReader(io.BytesIO(export(notebook().node))).pages[0].extract_text()


def test_title_says_what_the_metadata_say(rendered: Rendered) -> None:
    document = pypdf.PdfReader(rendered[2])
    first = document.pages[0].extract_text()
    assert "everything at once\nA. Tester · 2026-01-02" in first
    assert re.search(r"net-ipc\s+Machine\s+x86-64, 2 cores", first)
    assert document.metadata
    assert (document.metadata.title, document.metadata.author) == ("Demanding & <odd> #1", "A. Tester")


def test_contents_lead_to_the_pages_of_the_headings(rendered: Rendered, text: str) -> None:
    pages = text.split("\f")
    entries = re.findall(r"^ *(\d[\d.]*) +(\S.*?)[ .]{5,}(\d+)$", pages[0], re.M)
    assert [number for number, _, _ in entries] == ["1", "2", "3", "3.1", "4"]
    assert [title for _, title, _ in entries][:3] == ["The same heading", "The same heading", "The second part"]
    for number, title, page in entries:
        assert re.search(rf"^ *{re.escape(number)} +{title}$", pages[int(page) - 1], re.M)
    assert len(pypdf.PdfReader(rendered[2]).outline) >= 4


def test_captions_are_numbered_in_order_and_listed(text: str) -> None:
    listed, body = text.split("\f", 1)
    assert re.search(r"Figure 1 +A wave that is none[ .]+\d", listed)
    assert re.findall(r"^ *((?:Figure|Table) \d+) +(.*)$", body, re.M) == [
        ("Figure 1", "A wave that is none. The rest stays out of the list."),
        ("Table 1", "Six pairs, invented."),
        ("Table 2", "From HTML alone."),
    ]


def test_links_by_label_print_numbers_and_dead_ones_are_text(rendered: Rendered, text: str) -> None:
    flat = " ".join(text.split())
    assert "Figure 1, Table 1 or the wave by name. A dead link is text. Raw HTML goes." in flat
    links = [note.get_object() for note in pypdf.PdfReader(rendered[2]).pages[0].annotations or ()]
    assert (len(links) >= 13, sum("/URI" in link.get("/A", {}) for link in links)) == (True, 1)


def test_long_words_are_whole_and_missing_pictures_named(text: str) -> None:
    assert PATH in re.sub(r"[\s\u200b]", "", text)
    assert "[picture not found: gone]" in text


def test_tags_widgets_and_scripts(text: str) -> None:
    assert "shown output" in text
    for gone in ("hidden source", "hidden output", "removed cell", "IntSlider(value=7,", "loaded()</script>\n"):
        assert gone not in text.replace("display(HTML(table", "")


def test_every_font_is_embedded(rendered: Rendered) -> None:
    rows = poppler("pdffonts", rendered[2]).splitlines()[2:]
    assert rows
    assert all(re.search(r" yes (?:yes|no ) (?:yes|no ) +\d+ +\d+$", row) for row in rows)


def test_nothing_stands_outside_the_margins(rendered: Rendered) -> None:
    boxes = re.findall(
        r'xMin="(.+?)" yMin="(.+?)" xMax="(.+?)" yMax="(.+?)"', poppler("pdftotext", "-bbox", rendered[2], "-")
    )
    assert boxes
    for left, top, right, bottom in (map(float, box) for box in boxes):
        assert 72 < left < right < 595.3 - 72
        assert 20 < top < bottom < 841.9 - 20


def test_pdf_is_tagged_and_pictures_have_words(rendered: Rendered) -> None:
    root: Any = pypdf.PdfReader(rendered[2]).root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert {"A rising line", "a pixel"} <= set(alternatives(root["/StructTreeRoot"]))


def alternatives(element: Any) -> list[str]:
    element = element.get_object() if hasattr(element, "get_object") else element
    if not isinstance(element, dict):
        return []
    children = element.get("/K", [])
    below = [
        words for child in (children if isinstance(children, list) else [children]) for words in alternatives(child)
    ]
    return ([str(element["/Alt"])] if "/Alt" in element else []) + below
