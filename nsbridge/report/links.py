"""Names of places and links between them, over all chapters of a report; knows no page.

Every heading, anchor and caption gets a name of its own; links are led to them by the anchors that JupyterLab
makes of headings, by those that GitHub makes, or by a label. A link to another notebook of the same report leads
to its chapter. What leads nowhere becomes plain text.
"""

import re
from typing import Any
from urllib.parse import unquote

from nsbridge.report import pandoc
from nsbridge.report.model import Caption, Chapter, Item, Prose
from nsbridge.report.pandoc import Node, Nodes

# A link with one of these as its text is printed as the number of what it leads to.
_NUMBERED = frozenset({"", "figure", "table"})
# A link with this text is printed as the page of what it leads to.
PAGE = "page"


class Links:
    """The names given so far, and what leads to them."""

    def __init__(self) -> None:
        """Start with no names."""
        self._taken: set[str] = set()
        self._places: dict[tuple[str, str], str] = {}
        self._captions: dict[str, Caption] = {}

    def collect(self, chapter: Chapter) -> None:
        """Give a name to each heading, anchor and caption of `chapter`, and number its captions."""
        for item in chapter.items:
            for body in _proses(item):
                body.blocks = pandoc.walk(body.blocks, lambda node: self._name(node, chapter.key))
            if item.caption:
                self._number(item.caption, chapter.key)

    def follow(self, chapter: Chapter) -> None:
        """Lead each link of `chapter` to its place; to be called once all chapters are collected."""
        for item in chapter.items:
            for body in _proses(item):
                body.blocks = self.lead(body.blocks, chapter.key)
            if item.caption:
                item.caption.text = self.lead(item.caption.text, chapter.key)

    def lead(self, tree: Nodes, key: str) -> Nodes:
        """Return `tree`, which stands in the chapter `key`, with its links led to their places."""
        result: Nodes = pandoc.walk(tree, lambda node: self._lead(node, key) if node["t"] == "Link" else node)
        return result

    def _claim(self, wanted: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-") or "section"
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}-{count}"
        self._taken.add(name)
        return name

    def _name(self, node: Node, key: str) -> Node:
        match node:
            case {"t": "Header", "c": [level, [made, classes, _], text]}:
                title = pandoc.plain(text)
                name = self._claim(title.lower())
                for anchor in ("", made, title.replace(" ", "-")):
                    self._places.setdefault((key, anchor), name)
                return pandoc.header(level, name, text, *classes)
            case {"t": "Anchor", "c": anchor}:
                name = self._claim(anchor)
                self._places.setdefault((key, anchor), name)
                return {"t": "Anchor", "c": name}
            case _:
                return node

    def _number(self, caption: Caption, key: str) -> None:
        label = caption.label or caption.kind
        caption.label = self._claim(label)
        caption.number = 1 + sum(other.kind == caption.kind for other in self._captions.values())
        self._captions[caption.label] = caption
        self._places.setdefault((key, label), caption.label)
        self._places.setdefault(("", label), caption.label)

    def _lead(self, node: Node, key: str) -> Node | Nodes:
        attributes, text, (address, title) = node["c"]
        if re.match(r"(?:https?|mailto):", address):
            return node
        name = self._find(address, key)
        if name is None:
            return list(text)
        words = pandoc.plain(text).strip().lower()
        if words == PAGE:
            return {"t": "Page", "c": name}
        caption = self._captions.get(name)
        if caption and words in _NUMBERED:
            text = [pandoc.string(f"{caption.kind.capitalize()}\u00a0{caption.number}")]
        return {"t": "Link", "c": [attributes, text, [f"#{name}", title]]}

    def _find(self, address: str, key: str) -> str | None:
        path, _, fragment = unquote(address).partition("#")
        chapter = path.rsplit("/", 1)[-1].removesuffix(".ipynb") if path else key
        found = self._places.get((chapter, fragment))
        return found or (self._places.get(("", fragment)) if fragment else None)


def _proses(item: Item) -> list[Prose]:
    bodies: list[Any] = [item.paper] if item.paper is item.screen else [item.paper, item.screen]
    return [body for body in bodies if isinstance(body, Prose)]
