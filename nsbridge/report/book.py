"""Executed notebooks as one report in two files, PDF and HTML; knows only the order of the steps."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nsbridge.errors import HostError, UsageError
from nsbridge.report import assemble
from nsbridge.report.model import Front, Notebook, Report
from nsbridge.report.paper import pdf
from nsbridge.report.screen import html


def render(notebooks: Sequence[Notebook], front: Front, out: Path) -> list[Path]:
    """Write `notebooks` as the chapters of one report, and return the paths of its PDF and its HTML.

    Args:
        notebooks: executed notebooks, in the order of their chapters.
        front: what stands on the first page and the last.
        out: the path of both files without a suffix; its folder is made.

    Raises:
        UsageError: there are no notebooks.
        HostError: pandoc or Typst is missing or refused a notebook, or `out` cannot be written.
    """
    if not notebooks:
        raise UsageError("a report needs at least one notebook")
    return _written(assemble.book(notebooks, front), out)


def render_one(notebook: Notebook, out: Path) -> list[Path]:
    """Like `render` for one notebook by itself; its metadata give the title and what stands under it."""
    return _written(assemble.article(notebook), out)


def _written(report: Report, out: Path) -> list[Path]:
    with ThreadPoolExecutor(2) as pool:
        paper, screen = pool.submit(pdf, report), pool.submit(html, report)
        made = {".pdf": paper.result(), ".html": screen.result().encode("utf-8")}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return [_replace(out.with_name(out.name + suffix), data) for suffix, data in made.items()]
    except OSError as error:
        raise HostError(f"cannot write the report to {out.parent}: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> Path:
    # A reader who has the old report open sees it whole until the new one is there.
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(data)
    return fresh.replace(path)
