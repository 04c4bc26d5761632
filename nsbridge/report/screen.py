"""A report as one HTML file that needs nothing beside it: the tree written for a browser; looks are in report.css."""

import tempfile
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from pathlib import Path

from nsbridge.report import pandoc
from nsbridge.report.assets import Assets
from nsbridge.report.model import Body, Caption, Item, Kind, Listing, Markup, Picture, Prose, Report
from nsbridge.report.pandoc import Node, Nodes
from nsbridge.report.terminal import Span, highlight, lines

_FOLDED = {"code": "Code", "stdout": "Output", "stderr": "Output", "result": "Output", "error": "Error"}
_MARK = "<!-- contents end here -->"
_TEMPLATE = f"$toc$\n{_MARK}\n$body$\n"


def html(report: Report) -> str:
    """Return `report` as a page that loads nothing: images, styles and formulas are within it.

    Raises:
        HostError: pandoc is missing or refused it.
    """
    blocks = [node for chapter in report.chapters for item in chapter.items for node in _item(item)]
    if report.front.environment:
        blocks.append(pandoc.header(1, "nsbridge-environment", [pandoc.string("Environment")], "unnumbered"))
        blocks.append(pandoc.raw_block("html", _particulars(report.front.environment.items())))
    contents, body = _write(blocks, report.assets, "--toc", "--toc-depth=3", "--number-sections").split(_MARK, 1)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(report.front.title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n<header>",
            *_head(report),
            "</header>",
            _write(report.summary, report.assets).replace(_MARK, "") if report.summary else "",
            f"<nav>\n<h2>Contents</h2>\n{contents.strip()}",
            *_captions(report, "figure", "Figures"),
            *_captions(report, "table", "Tables"),
            f"</nav>\n<main>\n{body.strip()}\n</main>\n</body>\n</html>\n",
        ]
    )


def _style() -> str:
    return files(__package__).joinpath("report.css").read_text(encoding="utf-8")


def _head(report: Report) -> Iterator[str]:
    front = report.front
    yield f"<h1>{escape(front.title)}</h1>"
    if front.subtitle:
        yield f'<p class="subtitle">{escape(front.subtitle)}</p>'
    byline = " · ".join(part for part in (*front.authors, front.date) if part)
    if byline:
        yield f'<p class="byline">{escape(byline)}</p>'
    if front.facts:
        yield _particulars(front.facts.items())


def _particulars(rows: Iterable[tuple[str, str]]) -> str:
    cells = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f'<table class="particulars">{"".join(cells)}</table>'


def _captions(report: Report, kind: Kind, title: str) -> Iterator[str]:
    found = report.captions(kind)
    if not found:
        return
    yield f"<h2>{title}</h2>\n<ul>"
    for caption in found:
        yield f'<li><a href="#{caption.label}">{_number(caption)}</a> {escape(pandoc.plain(caption.text))}</li>'
    yield "</ul>"


def _number(caption: Caption) -> str:
    return f"{caption.kind.capitalize()} {caption.number}"


def _write(blocks: Nodes, assets: Assets, *options: str) -> str:
    with tempfile.TemporaryDirectory(prefix="nsbridge-report-") as name:
        template = Path(name, "template.html")
        template.write_text(_TEMPLATE, encoding="utf-8")
        tree = pandoc.walk(blocks, lambda node: _native(node, assets))
        shell = ("--standalone", f"--template={template}", "--metadata=pagetitle:report")
        return pandoc.write(tree, "html5", "--mathml", *shell, *options)


def _native(node: Node, assets: Assets) -> Node:
    """Turn the types of node that are our own into HTML."""
    match node:
        case {"t": "Asset", "c": [name, alt, _]}:
            return pandoc.raw_inline("html", _image(Picture(name, alt), assets))
        case {"t": "Anchor", "c": name}:
            return pandoc.raw_inline("html", f'<a id="{name}"></a>')
        case {"t": "Page", "c": name}:
            return pandoc.raw_inline("html", f'<a href="#{name}">there</a>')
        case {"t": "Coloured", "c": [code, language]}:
            return pandoc.raw_block("html", _listing(Listing(highlight(code, language), "code")))
        case _:
            return node


def _item(item: Item) -> Iterator[Node]:
    if item.screen is None:
        return
    if item.folded:
        summary = _FOLDED[item.screen.role] if isinstance(item.screen, Listing) else "Output"
        yield pandoc.raw_block("html", f"<details><summary>{summary}</summary>")
        yield from _body(item.screen)
        yield pandoc.raw_block("html", "</details>")
    elif item.caption:
        yield pandoc.raw_block("html", f'<figure id="{item.caption.label}" class="{item.caption.kind}">')
        yield from _body(item.screen)
        yield pandoc.raw_block("html", f"<figcaption><b>{_number(item.caption)}</b>")
        yield pandoc.paragraph(item.caption.text)
        yield pandoc.raw_block("html", "</figcaption></figure>")
    else:
        yield from _body(item.screen)


def _body(body: Body) -> Iterator[Node]:
    match body:
        case Prose(blocks):
            yield from blocks
        case Listing():
            yield pandoc.raw_block("html", _listing(body))
        case Markup(markup):
            yield pandoc.raw_block("html", f'<div class="output">{markup}</div>')
        case Picture(name, alt):
            yield pandoc.paragraph([{"t": "Asset", "c": [name, alt, True]}])


def _image(picture: Picture, assets: Assets) -> str:
    return f'<img src="{assets.data_url(picture.name)}" alt="{escape(picture.alt)}">'


def _listing(listing: Listing) -> str:
    text = "\n".join("".join(map(_span, line)) for line in lines(listing.text))
    return f'<pre class="listing {listing.role}"><code>{text}</code></pre>'


def _span(span: Span) -> str:
    looks = [f"color:{span.ink}"] if span.ink else []
    looks += [f"background:{span.paper}"] if span.paper else []
    looks += ["font-weight:bold"] if span.bold else []
    looks += ["font-style:italic"] if span.italic else []
    lined = " ".join(["underline"] * span.underlined + ["line-through"] * span.struck)
    looks += [f"text-decoration:{lined}"] if lined else []
    text = escape(span.text, quote=False)
    return f'<span style="{";".join(looks)}">{text}</span>' if looks else text
