"""Choosing which form of a cell's output is shown, on paper and on the screen; knows no layout."""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from bs4 import BeautifulSoup
from nbformat import NotebookNode

from nsbridge import errors
from nsbridge.report import pandoc, prose
from nsbridge.report.assets import Assets
from nsbridge.report.model import Body, Listing, Markup, Picture, Prose, Role
from nsbridge.report.terminal import decode
from nsbridge.report.visible import visible

_WIDGET = "application/vnd.jupyter.widget-view+json"
_ACTIVE = ["script", "link", "iframe", "object", "embed", "base", "meta", "form"]

Maker = Callable[[str, Assets, str], Body | None]


def _markdown(source: str, assets: Assets, _alt: str) -> Body | None:
    return Prose(prose.read(visible(source), assets))


def _image(source: str, assets: Assets, alt: str) -> Body | None:
    name = assets.add(source.encode() if "<svg" in source else base64.b64decode(source))
    return Picture(name, alt) if name else None


def _latex(source: str, assets: Assets, _alt: str) -> Body | None:
    formula = visible(source).strip().strip("$").strip()
    return _markdown(f"$$\n{formula}\n$$", assets, "")


def _converted_html(source: str, assets: Assets, _alt: str) -> Body | None:
    clean = BeautifulSoup(visible(source), "html.parser")
    for element in clean([*_ACTIVE, "style"]):
        element.decompose()
    blocks = prose.place(pandoc.read(str(clean), "html"), assets)
    return Prose(blocks) if pandoc.plain(blocks).strip() else None


def _kept_html(source: str, _assets: Assets, _alt: str) -> Body | None:
    clean = BeautifulSoup(visible(source), "html.parser")
    for element in clean(_ACTIVE):
        element.decompose()
    for image in clean("img"):
        if not str(image.get("src", "")).startswith("data:"):
            image.decompose()
    return Markup(str(clean)) if str(clean).strip() else None


def _text(source: str, _assets: Assets, _alt: str) -> Body | None:
    return Listing(decode(source), "result") if source.strip() else None


# The forms of an output, best first.
_PAPER: tuple[tuple[str, Maker], ...] = (
    ("text/markdown", _markdown),
    ("application/pdf", _image),
    ("image/svg+xml", _image),
    ("image/png", _image),
    ("image/jpeg", _image),
    ("image/gif", _image),
    ("text/latex", _latex),
    ("text/html", _converted_html),
    ("text/plain", _text),
)
_SCREEN: tuple[tuple[str, Maker], ...] = (
    ("image/svg+xml", _image),
    ("image/png", _image),
    ("image/jpeg", _image),
    ("image/gif", _image),
    ("text/html", _kept_html),
    ("text/markdown", _markdown),
    ("text/latex", _latex),
    ("text/plain", _text),
)


def _best(data: Mapping[str, Any], order: tuple[tuple[str, Maker], ...], assets: Assets, alt: str) -> Body | None:
    for mimetype, make in order:
        # A widget's plain text is a stub such as `HBox(children=…)`; a real twin has a form of its own.
        if mimetype not in data or (mimetype == "text/plain" and _WIDGET in data):
            continue
        source = data[mimetype]
        body = make("".join(source) if isinstance(source, list) else str(source), assets, alt)
        if body:
            return body
    return None


def _is_ours(name: str) -> bool:
    found = getattr(errors, name, None)
    return isinstance(found, type) and issubclass(found, errors.NsbridgeError)


def _error(output: NotebookNode) -> Listing:
    line = f"\x1b[1;31m{output.ename}\x1b[0m: {output.evalue}"
    if _is_ours(output.ename):
        return Listing(decode(line), "error")
    traceback = "\n".join(output.get("traceback", [])).strip()
    # IPython opens with a rule of dashes, which says nothing.
    traceback = re.sub(r"\A(\x1b\[[\d;]*m)*-{3,}(\x1b\[[\d;]*m)*\s*", "", traceback)
    return Listing(decode(traceback or line), "error")


def bodies(output: NotebookNode, assets: Assets, alt: str) -> tuple[Body | None, Body | None]:
    """Return what of a cell's `output` is shown on paper and on the screen; `alt` describes an image.

    The kinds of output are those of the notebook format:
    https://nbformat.readthedocs.io/en/latest/format_description.html#code-cell-outputs
    """
    if output.output_type == "stream":
        role: Role = "stderr" if output.name == "stderr" else "stdout"
        text = decode(output.text)
        listing = Listing(text, role) if text.plain.strip() else None
        return listing, listing
    if output.output_type == "error":
        listing = _error(output)
        return listing, listing
    return _best(output.data, _PAPER, assets, alt), _best(output.data, _SCREEN, assets, alt)
