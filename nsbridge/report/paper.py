"""A report as PDF: the tree written for Typst and compiled; what it looks like is in report.typ."""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

import typst

from nsbridge.errors import HostError
from nsbridge.report import fonts, pandoc
from nsbridge.report.model import Body, Caption, Front, Item, Listing, Picture, Prose, Report
from nsbridge.report.pandoc import Node, Nodes
from nsbridge.report.terminal import Span, folded, highlight
from nsbridge.report.visible import escape_missing

# An output of more lines than this keeps its beginning and its end.
_MOST_LINES = 240
_KEPT_AT_END = 40

# A captioned table or listing of more lines may be cut by the end of a page.
_MOST_KEPT_TOGETHER = 20

# Paths, addresses and digests without a space: longer ones may be cut.
_LONG_WORD = 40
# A path's or a name's separators, or so many characters without one.
_PARTS = re.compile(r"(?:⟦[^⟧]*⟧|[/._:?&=-]+|[^/._:?&=⟦-]{12})(?=.{3})")

_ESCAPED = re.compile(r"⟦U\+[0-9A-F]+⟧")

# GitHub's `> [!NOTE]` and its like, of which pandoc makes a division with a title.
_ALERTS = frozenset({"note", "tip", "important", "warning", "caution"})

# The same report gives the same bytes, so no clock is read. 1980-01-01, as in reproducible archives.
_TIMESTAMP = 315532800


def pdf(report: Report) -> bytes:
    """Return `report` as a tagged PDF.

    Raises:
        HostError: Typst or pandoc refused it; the message says where.
    """
    source = escape_missing(_source(report), fonts.covered())
    with tempfile.TemporaryDirectory(prefix="nsbridge-report-") as name:
        root = Path(name)
        fonts.link(root / "fonts")
        (root / "main.typ").write_text(source, encoding="utf-8")
        (root / "report.typ").write_bytes(files(__package__).joinpath("report.typ").read_bytes())
        for asset, data in report.assets.files.items():
            (root / asset).write_bytes(data)
        try:
            return typst.compile(
                root / "main.typ",
                root=root,
                font_paths=[root / "fonts"],
                ignore_system_fonts=True,
                timestamp=_TIMESTAMP,
            )
        except RuntimeError as error:
            raise HostError(f"Typst could not set the report: {_reason(error)}; mend the cell with it") from error


def _reason(error: RuntimeError) -> str:
    """Return Typst's words, and the line of the source that they are about."""
    place = re.search(r"^ *\d+ │ (.*)$", str(getattr(error, "diagnostic", "") or error), re.M)
    words = str(getattr(error, "message", error)).splitlines()[0]
    return f"{words}, at `{place[1].strip()[:120]}`" if place else words


def _source(report: Report) -> str:
    blocks: Nodes = []
    for chapter in report.chapters:
        for item in chapter.items:
            blocks.extend(_item(item))
    if report.front.environment:
        blocks.extend(_environment(report.front))
    opening = (
        '#import "report.typ": *\n#show: report.with(\n'
        f"  title: {_string(report.front.title)}, subtitle: {_string(report.front.subtitle)},\n"
        f"  authors: {_array(map(_string, report.front.authors))}, date: {_string(report.front.date)},\n"
        f"  facts: {_pairs(report.front)}, fallbacks: {_array(map(_string, fonts.fallbacks()))},\n"
        f"  book: {_bool(report.book)}, figures: {_bool(bool(report.captions('figure')))},\n"
        "  summary: [\n"
        f"{_write(report.summary)}\n])\n\n"
    )
    return opening + _write(blocks)


def _write(blocks: Nodes) -> str:
    return pandoc.write(pandoc.walk(blocks, _native), "typst") if blocks else ""


def _native(node: Node) -> Node:
    """Turn the types of node that are our own into Typst."""
    match node:
        case {"t": "Asset", "c": [name, alt, alone]}:
            call = "picture" if alone else "inline-picture"
            return pandoc.raw_inline("typst", f"#{call}({_string(name)}, {_string(alt)})")
        case {"t": "Anchor", "c": name}:
            return pandoc.raw_inline("typst", f"#[#metadata(none)#label({_string(name)})]")
        case {"t": "Page", "c": name}:
            return pandoc.raw_inline("typst", f"#page-of(label({_string(name)}))")
        case {"t": "Coloured", "c": [code, language]}:
            return pandoc.raw_block("typst", _listing(Listing(highlight(code, language), "code")))
        case {"t": "Div", "c": [[_, [kind, *_], _], [_, *blocks]]} if kind in _ALERTS:
            opening = pandoc.raw_block("typst", f"#alert({_string(kind)})[")
            return {"t": "Div", "c": [["", [], []], [opening, *blocks, pandoc.raw_block("typst", "]")]]}
        case _:
            return _settable(node)


def _settable(node: Node) -> Node:
    """Give long words places where a line may end, and keep characters' numbers out of a formula's grammar."""
    match node:
        case {"t": "Str", "c": str(word)} if len(word) > _LONG_WORD:
            return pandoc.string(_PARTS.sub("\\g<0>\u200b", word))
        case {"t": "Code", "c": [attributes, str(code)]} if len(code) > _LONG_WORD:
            return {"t": "Code", "c": [attributes, _PARTS.sub("\\g<0>\u200b", code)]}
        case {"t": "Math", "c": [kind, str(formula)]}:
            shown = escape_missing(formula, fonts.covered())
            return {"t": "Math", "c": [kind, _ESCAPED.sub(r"\\text{\g<0>}", shown)]}
        case _:
            return node


def _item(item: Item) -> Iterator[Node]:
    if item.paper is None:
        return
    if item.caption is None:
        yield from _body(item.paper, held=item.held)
        return
    yield pandoc.raw_block("typst", _opening(item.caption, item.paper))
    yield pandoc.paragraph(item.caption.text)
    yield pandoc.raw_block("typst", "], short: [")
    yield pandoc.paragraph(_first_sentence(item.caption.text))
    yield pandoc.raw_block("typst", "], body: [")
    yield from _body(item.paper)
    yield pandoc.raw_block("typst", "])")


def _opening(caption: Caption, body: Body) -> str:
    names = ", ".join(map(_string, (caption.kind, caption.label, caption.alt)))
    return f"#captioned({names}, tall: {_bool(_height(body) > _MOST_KEPT_TOGETHER)}, long: ["


def _height(body: Body) -> int:
    """Return how many lines of text or rows of a table `body` has."""
    match body:
        case Listing(text):
            return text.plain.count("\n") + 1
        case Prose([{"t": "Table", "c": [_, _, _, _, parts, _]}]):
            return sum(len(rows) for *_, rows in parts)
        case _:
            return 0


def _body(body: Body, *, held: bool = False) -> Iterator[Node]:
    match body:
        case Prose(blocks):
            yield from blocks
        case Listing():
            yield pandoc.raw_block("typst", _listing(body, held=held))
        case Picture(name, alt):
            yield pandoc.raw_block("typst", f"#picture({_string(name)}, {_string(alt)})")


def _listing(listing: Listing, *, held: bool = False) -> str:
    rows = list(folded(listing.text))
    if len(rows) > _MOST_LINES:
        left_out = len(rows) - _MOST_LINES
        mark = [Span(f"⋮ {left_out} lines left out", ink="#7a828a", italic=True)]
        rows = [*rows[: _MOST_LINES - _KEPT_AT_END], mark, *rows[-_KEPT_AT_END:]]
    lines = (_array(map(_span, row)) for row in rows)
    return f"#listing({_string(listing.role)}, held: {_bool(held)}, {_array(lines, chr(10))})"


def _span(span: Span) -> str:
    text = f"raw({_string(span.text)})"
    looks = [f'fill: rgb("{span.ink}")'] if span.ink else []
    looks += ['weight: "bold"'] if span.bold else []
    looks += ['style: "italic"'] if span.italic else []
    if looks:
        text = f"text({', '.join(looks)}, {text})"
    if span.underlined:
        text = f"underline({text})"
    if span.struck:
        text = f"strike({text})"
    return f'highlight(fill: rgb("{span.paper}"), {text})' if span.paper else text


def _environment(front: Front) -> Iterator[Node]:
    yield pandoc.header(1, "nsbridge-environment", [pandoc.string("Environment")], "unnumbered")
    yield pandoc.raw_block("typst", f"#particulars({_array(_pair(*pair) for pair in front.environment.items())})")


def _first_sentence(text: Nodes) -> Nodes:
    """Return the inline nodes up to the first that ends a sentence: what a list of figures has room for."""
    for index, node in enumerate(text):
        if node["t"] == "Str" and str(node["c"]).endswith((".", "?", "!", ":", ";")):
            return [*text[:index], pandoc.string(str(node["c"])[:-1])]
    return text


def _pairs(front: Front) -> str:
    return _array(_pair(name, value) for name, value in front.facts.items())


def _pair(name: str, value: str) -> str:
    return f"({_string(name)}, {_string(value)})"


def _array(values: Iterable[str], separator: str = "") -> str:
    return "(" + "".join(f"{value},{separator}" for value in values) + ")"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _string(text: str) -> str:
    """Return `text` as a Typst string; JSON's escapes for quotes, backslashes and line ends are Typst's too."""
    return json.dumps(text, ensure_ascii=False)
