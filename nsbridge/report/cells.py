"""A notebook's cells as the items of a chapter: tags, captions and hidden parts; knows no page.

What a notebook's author can say:

- cell tags `remove-cell`, `hide-input`, `remove-input`, `hide-output`, `remove-output` (on paper hidden is gone,
  on the screen it is folded), and JupyterLab's own collapsed input or output;
- metadata `caption` (one paragraph of markdown), `label` (`fig-…` or `tab-…`, to link to) and `alt` of an output,
  or else of its cell; a cell's own go to its first picture or table, and where there is neither, to its first
  output. A picture or a table in a markdown cell takes them from that cell.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nbformat import NotebookNode

from nsbridge.report import outputs, pandoc, prose
from nsbridge.report.assets import Assets
from nsbridge.report.model import Body, Caption, Item, Kind, Listing, Markup, Notebook, Picture, Prose
from nsbridge.report.terminal import highlight
from nsbridge.report.visible import visible


def items(notebook: Notebook, assets: Assets) -> list[Item]:
    """Return what `notebook` shows, in order; its pictures go into `assets`."""
    info = notebook.node.metadata.get("language_info", {})
    lexer = info.get("pygments_lexer") or info.get("name") or "ipython3"
    found: list[Item] = []
    for cell in notebook.node.cells:
        if "remove-cell" in _tags(cell):
            continue
        match cell.cell_type:
            case "markdown":
                found.extend(_markdown(cell, notebook, assets))
            case "code":
                found.extend(_code(cell, lexer))
                found.extend(_outputs(cell, assets))
    return found


def _tags(cell: NotebookNode) -> set[str]:
    tags = set(cell.metadata.get("tags", ()))
    collapsed = cell.metadata.get("jupyter", {})
    if collapsed.get("source_hidden"):
        tags.add("hide-input")
    if collapsed.get("outputs_hidden"):
        tags.add("hide-output")
    return tags


def _markdown(cell: NotebookNode, notebook: Notebook, assets: Assets) -> Iterator[Item]:
    blocks = prose.read(visible(cell.source), assets, notebook.folder, cell.get("attachments"))
    yield from _captioned(Prose(blocks), cell.metadata)


def _code(cell: NotebookNode, lexer: str) -> Iterator[Item]:
    tags = _tags(cell)
    if "remove-input" in tags or not cell.source.strip():
        return
    listing = Listing(highlight(cell.source, lexer), "code")
    if "hide-input" in tags:
        yield Item(None, listing, folded=True)
    else:
        yield Item(listing, listing, held=bool(cell.outputs) and "hide-output" not in tags)


def _outputs(cell: NotebookNode, assets: Assets) -> Iterator[Item]:
    tags = _tags(cell)
    if "remove-output" in tags:
        return
    hidden = "hide-output" in tags
    shown = [(output, *outputs.bodies(output, assets, _alt(output, cell))) for output in cell.outputs]
    own = _place_of_caption([paper for _, paper, _ in shown])
    for index, (output, paper, screen) in enumerate(shown):
        if hidden:
            yield Item(None, screen, folded=True)
            continue
        words = _said(output.get("metadata", {})) or (_said(cell.metadata) if index == own else {})
        if isinstance(paper, Prose) and isinstance(screen, Prose):
            yield from _captioned(paper, words)
        elif paper or screen:
            yield Item(paper, screen, _caption(words, paper))


def _place_of_caption(bodies: list[Body | None]) -> int:
    drawn = [index for index, body in enumerate(bodies) if isinstance(body, Picture) or _position(body) >= 0]
    there = [index for index, body in enumerate(bodies) if body]
    return next(iter(drawn or there), -1)


def _said(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata that holds a caption: itself, or what it says of one form of the output."""
    inner = [value for value in metadata.values() if isinstance(value, Mapping)]
    return next((words for words in (metadata, *inner) if words.get("caption")), {})


def _alt(output: NotebookNode, cell: NotebookNode) -> str:
    own = output.get("metadata", {})
    words = _said(own) or _said(cell.metadata)
    alt = own.get("alt") or words.get("alt") or cell.metadata.get("alt")
    return visible(str(alt or pandoc.plain(pandoc.inlines(words.get("caption", "An output of the cell above.")))))


def _caption(words: Mapping[str, Any], body: Body | None) -> Caption | None:
    if not words.get("caption"):
        return None
    text = pandoc.inlines(visible(str(words["caption"])))
    alt = visible(str(words.get("alt") or pandoc.plain(text)))
    kind: Kind = "table" if _is_table(body) else "figure"
    return Caption(text, alt, kind, str(words.get("label", "")))


def _is_table(body: Body | None) -> bool:
    if isinstance(body, Markup):
        return "<table" in body.html
    return isinstance(body, Prose) and any(block["t"] == "Table" for block in body.blocks)


def _position(body: Body | None) -> int:
    """Return the place of the first table, or picture that stands alone, among the blocks of `body`, or -1."""
    if not isinstance(body, Prose):
        return -1
    for index, block in enumerate(body.blocks):
        if block["t"] == "Table" or (block["t"] == "Plain" and [node["t"] for node in block["c"]] == ["Asset"]):
            return index
    return -1


def _captioned(body: Prose, words: Mapping[str, Any]) -> Iterator[Item]:
    """Yield `body`, cut so that the caption that `words` hold has its table or picture alone."""
    place = _position(body)
    if place < 0 or not words.get("caption"):
        yield Item(body, body, _caption(words, body))
        return
    for blocks in (body.blocks[:place], body.blocks[place : place + 1], body.blocks[place + 1 :]):
        if blocks:
            part = Prose(blocks)
            yield Item(part, part, _caption(words, part) if _position(part) == 0 else None)
            words = words if _position(part) < 0 else {}
