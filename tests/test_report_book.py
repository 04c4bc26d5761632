"""Several notebooks as one report, in both of its files; and what cannot be rendered."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from nsbridge.errors import HostError, UsageError
from nsbridge.report import assemble
from nsbridge.report.assets import Assets
from nsbridge.report.book import render, render_one
from nsbridge.report.model import Chapter, Front, Item, Notebook, Prose, Report
from nsbridge.report.paper import pdf

SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='90' height='40'><rect width='90' height='40'/></svg>"
SUMMARY = """
| part | evidence |
|:--|:--|
| X connection | [page](02-second.ipynb#A-part), [Figure](#fig-second) |
"""
FRONT = Front(
    "From NET to IPC",
    subtitle="a report",
    authors=["A. Tester"],
    date="2026-01-02",
    facts={"Pair": "net-ipc", "Versions": "runc 1.1.5"},
    summary=SUMMARY,
    environment={"kernel": "Linux 5.10", "cores": "2 & more"},
)


def notebook(name: str, *cells: dict[str, Any]) -> Notebook:
    whole = [{"id": f"c{index}", "metadata": {}, "cell_type": "markdown", **cell} for index, cell in enumerate(cells)]
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": whole}
    node: NotebookNode = nbformat.from_dict(content)  # type: ignore[no-untyped-call]  # nbformat's own gap
    return Notebook(name, node, Path())


def shown(data: dict[str, str], *tags: str, **metadata: str) -> dict[str, Any]:
    output = {"output_type": "display_data", "data": data, "metadata": metadata}
    return {"cell_type": "code", "source": "show()", "outputs": [output], "metadata": {"tags": tags}}


def chapters() -> list[Notebook]:
    return [
        notebook(
            "01-first",
            {"source": "# First chapter\n\nSee [there](02-second.ipynb#A-part), and $x^2$."},
            {"source": "## A part\n\n![none](gone.png)"},
            shown({"image/svg+xml": SVG, "text/plain": "<Figure>"}, caption="One figure.", label="fig-first"),
            shown({"text/html": "<table><tr><td>7</td></tr></table><script src='http://a/b.js'></script>"}),
        ),
        notebook(
            "02-second",
            {"source": "# Second chapter\n\n## A part\n\nBack to [](#fig-first)."},
            shown({"image/svg+xml": SVG}, caption="Another figure.", label="fig-second"),
            shown({"text/markdown": "| a |\n|--|\n| 1 |"}, "hide-input", caption="A table."),
        ),
        notebook("03-bare", {"source": "No heading."}),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return render(chapters(), FRONT, tmp_path_factory.mktemp("book") / "new" / "net-ipc")


@pytest.fixture(scope="module")
def paper(made: list[Path]) -> list[str]:
    done = subprocess.run(
        ["pdftotext", "-layout", made[0], "-"], capture_output=True, check=True, text=True, timeout=60
    )
    return done.stdout.replace("\u2060", "").split("\f")


@pytest.fixture(scope="module")
def screen(made: list[Path]) -> str:
    return made[1].read_text(encoding="utf-8")


def test_both_files_and_nothing_else(made: list[Path]) -> None:
    assert [path.name for path in made] == ["net-ipc.pdf", "net-ipc.html"]
    assert sorted(made[0].parent.iterdir()) == sorted(made)


def test_rendering_again_gives_the_same_bytes(made: list[Path], tmp_path: Path) -> None:
    again = render(chapters(), FRONT, tmp_path / "net-ipc")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]


def test_front_page_and_summary_with_page_numbers(paper: list[str]) -> None:
    for words in ("From NET to IPC", "a report", "A. Tester · 2026-01-02", "net-ipc", "runc 1.1.5"):
        assert words in paper[0]
    found = re.search(r"X connection +page (\d+), Figure\s2", paper[0])
    assert found
    assert "2.1 A part" in paper[int(found[1]) - 1]


def test_one_contents_and_one_numbering(paper: list[str]) -> None:
    entries = re.findall(r"^ *(\S.*?)[ .]{5,}(\d+)$", paper[1], re.M)
    assert [title for title, _ in entries] == [
        "1 First chapter",
        "1.1 A part",
        "2 Second chapter",
        "2.1 A part",
        "3 03-bare",
        "Environment",
        "Figure 1 One figure",
        "Figure 2 Another figure",
    ]
    assert all(title.split()[-1] in paper[int(page) - 1] for title, page in entries)


def test_environment_is_last(paper: list[str]) -> None:
    assert re.search(r"Environment\n+ *kernel +Linux 5.10\n+ *cores +2 & more", paper[-2])


class Tags(HTMLParser):
    """Every tag's attributes, and the names that links may lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_page_loads_nothing_and_its_links_lead_somewhere(screen: str) -> None:
    parser = Tags()
    parser.feed(screen)
    names = [found["id"] for _, found in parser.tags if "id" in found]
    assert len(names) == len(set(names))
    for tag, found in parser.tags:
        assert tag not in ("script", "link", "iframe")
        assert (found.get("src") or "data:").startswith("data:")
        target = found.get("href") or ""
        assert not target.startswith("#") or target[1:] in names
    assert "url(" not in screen
    assert "@import" not in screen


def test_page_has_the_same_numbers(screen: str) -> None:
    flat = " ".join(re.sub(r"<annotation.*?</annotation>|<[^>]+>", " ", screen).split())
    assert "Figure 1 One figure." in flat
    assert "Figure 2 Another figure." in flat
    assert "Table 1 A table." in flat
    assert "Back to Figure\u00a01 ." in flat.replace("Figure 1 .", "Figure\u00a01 .")
    assert re.search(r"2\.1 A part", flat)
    assert "<math" in screen
    assert "<td>7</td>" in screen
    assert "<details><summary>Code</summary>" in screen


def test_lone_notebook_takes_its_heading_as_title(tmp_path: Path) -> None:
    _, page = render_one(chapters()[0], tmp_path / "one")
    assert "<title>First chapter</title>" in page.read_text(encoding="utf-8")


def test_what_cannot_be_rendered_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one notebook"):
        render([], FRONT, tmp_path / "x")
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot write the report to"):
        render(chapters()[2:], FRONT, tmp_path / "file" / "x")
    with pytest.raises(UsageError, match="cannot read the notebook"):
        Notebook.read(tmp_path / "gone.ipynb")
    (tmp_path / "no.ipynb").write_text("nothing")
    with pytest.raises(UsageError, match="is not a notebook"):
        Notebook.read(tmp_path / "no.ipynb")


def test_what_typst_refuses_is_one_line_with_its_place() -> None:
    broken = Prose([{"t": "RawBlock", "c": ["typst", "#no-such-thing"]}])
    report = Report(Front("x"), [Chapter("x", [Item(broken, broken)])], Assets(), [], book=False)
    with pytest.raises(HostError, match=r"^Typst could not .* at `#no-such-thing`; mend the cell with it$"):
        pdf(report)


def test_markup_of_typst_and_tex_in_prose_is_text() -> None:
    source = "$\\begin{x}$ $\\foo{y}$ #let @a <b> *c _d `e // f /* g \\ h"
    assert pdf(assemble.article(notebook("odd", {"source": source}, {"source": "\x00\ud800"})))


def test_broken_pictures_fall_back_to_text() -> None:
    assert Assets().add(b"\x89PNG\r\n\x1a\n and no more") is None
    assert pdf(assemble.article(notebook("odd", shown({"image/png": "iVBORw0KGgoAAAAN", "text/plain": "twin"}))))
