"""Notebooks into one report: titles, chapters, numbers and links; knows neither paper nor screen."""

from collections.abc import Sequence
from dataclasses import replace

from nsbridge.report import pandoc, prose
from nsbridge.report.assets import Assets
from nsbridge.report.cells import items
from nsbridge.report.links import Links
from nsbridge.report.model import Chapter, Front, Item, Notebook, Prose, Report
from nsbridge.report.pandoc import Node, Nodes
from nsbridge.report.visible import visible


def article(notebook: Notebook) -> Report:
    """Return a report of one notebook, its title taken from its metadata, its first heading or its name."""
    assets = Assets()
    found = items(notebook, assets)
    title = _take_title(found)
    front = _front(notebook, pandoc.plain(title))
    for item in found:
        _shift_headings(item, by=-1, least=1)
    return _linked([Chapter(notebook.name, found)], front, assets, book=False)


def book(notebooks: Sequence[Notebook], front: Front) -> Report:
    """Return a report with one chapter for each notebook, in the order given."""
    assets = Assets()
    chapters = []
    for notebook in notebooks:
        found = items(notebook, assets)
        title = _take_title(found) or [pandoc.string(_front(notebook, "").title)]
        for item in found:
            _shift_headings(item, by=0, least=2)
        opening = Prose([pandoc.header(1, "", title)])
        chapters.append(Chapter(notebook.name, [Item(opening, opening), *found]))
    return _linked(chapters, front, assets, book=True)


def _linked(chapters: list[Chapter], front: Front, assets: Assets, *, book: bool) -> Report:
    links = Links()
    for chapter in chapters:
        links.collect(chapter)
    for chapter in chapters:
        links.follow(chapter)
    summary = links.lead(prose.read(visible(front.summary), assets), "") if front.summary else []
    return Report(_seen(front), chapters, assets, summary, book)


def _seen(front: Front) -> Front:
    return replace(
        front,
        title=visible(front.title),
        subtitle=visible(front.subtitle),
        authors=[visible(author) for author in front.authors],
        date=visible(front.date),
        facts={visible(name): visible(value) for name, value in front.facts.items()},
        environment={visible(name): visible(value) for name, value in front.environment.items()},
    )


def _front(notebook: Notebook, heading: str) -> Front:
    metadata = notebook.node.metadata
    authors = metadata.get("authors") or [metadata.get("author", "")]
    names = [author.get("name", "") if isinstance(author, dict) else str(author) for author in authors]
    facts = {"Pair": metadata.get("pair", ""), "Machine": metadata.get("machine", "")}
    return Front(
        title=str(metadata.get("title") or heading or notebook.name),
        subtitle=str(metadata.get("subtitle", "")),
        authors=[name for name in names if name],
        date=str(metadata.get("date", "")),
        facts={name: str(value) for name, value in facts.items() if value},
    )


def _take_title(found: list[Item]) -> Nodes:
    """Return the text of the heading of level 1 that opens the chapter, and take it away there."""
    first = found[0].paper if found else None
    match first:
        case Prose(blocks=[{"t": "Header", "c": [1, _, text]}, *rest]):
            first.blocks = rest
            return list(text)
        case _:
            return []


def _shift_headings(item: Item, *, by: int, least: int) -> None:
    def shift(node: Node) -> Node:
        if node["t"] != "Header":
            return node
        level, attributes, text = node["c"]
        return {"t": "Header", "c": [max(least, level + by), attributes, text]}

    if isinstance(item.paper, Prose):
        item.paper.blocks = pandoc.walk(item.paper.blocks, shift)
