"""Markdown made ready for a page: pictures become assets, code gets colours, raw HTML goes; no cells, no links.

Nodes that pandoc has no type for are kept under types of our own, which the writers for paper and screen turn
into theirs: `Asset` (a picture: name, alt text, whether it stands alone), `Anchor` (a place to link to: its name)
and `Coloured` (a code block: its code and language).
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from nsbridge.report import pandoc
from nsbridge.report.assets import Assets
from nsbridge.report.pandoc import Node, Nodes

_ANCHOR = re.compile(r"""<a\b[^>]*\b(?:id|name)\s*=\s*["']?([^"'\s>]+)""", re.I)
_WORTH_READING = re.compile(r"<(?:img|table)\b", re.I)
_BREAK = re.compile(r"<br\s*/?>", re.I)


def read(
    source: str,
    assets: Assets,
    folder: Path | None = None,
    attachments: Mapping[str, Mapping[str, str]] | None = None,
) -> Nodes:
    """Return the blocks of markdown `source`.

    A picture's address is an attachment's name, a `data:` address, or a path relative to `folder`.
    """
    return place(pandoc.read(source), assets, folder, attachments)


def place(
    blocks: Nodes,
    assets: Assets,
    folder: Path | None = None,
    attachments: Mapping[str, Mapping[str, str]] | None = None,
) -> Nodes:
    """Return `blocks` with their pictures among `assets`, and without raw HTML."""

    def replace(node: Node) -> Node | Nodes:
        match node["t"]:
            case "Image":
                return _picture(node, assets, folder, attachments or {})
            case "RawInline" | "RawBlock":
                return _raw(node, assets, folder)
            case "CodeBlock":
                return {"t": "Coloured", "c": [node["c"][1], next(iter(node["c"][0][1]), "")]}
            case "Para" if [child["t"] for child in node["c"]] == ["Asset"]:
                name, alt, _ = node["c"][0]["c"]
                return pandoc.paragraph([{"t": "Asset", "c": [name, alt, True]}])
            case _:
                return node

    result: Nodes = pandoc.walk(blocks, replace)
    return result


def _picture(node: Node, assets: Assets, folder: Path | None, attachments: Mapping[str, Mapping[str, str]]) -> Node:
    alt, address = pandoc.plain(node["c"][1]), node["c"][2][0]
    data = _fetch(address, folder, attachments)
    name = assets.add(data) if data else None
    if name:
        return {"t": "Asset", "c": [name, alt, False]}
    shown = alt or (address if len(address) < 80 else "a data address")
    return pandoc.string(f"[picture not found: {shown}]")


def _fetch(address: str, folder: Path | None, attachments: Mapping[str, Mapping[str, str]]) -> bytes | None:
    try:
        if address.startswith("attachment:"):
            forms = attachments.get(unquote(address.removeprefix("attachment:")), {})
            return next((base64.b64decode(form) for form in forms.values()), None)
        if address.startswith("data:"):
            head, _, content = address.partition(",")
            return base64.b64decode(content) if head.endswith(";base64") else unquote_to_bytes(content)
        if folder is None or "://" in address:
            return None
        return (folder / unquote(address)).read_bytes()
    except (OSError, ValueError):
        return None


def _raw(node: Node, assets: Assets, folder: Path | None) -> Node | Nodes:
    language, text = node["c"]
    if language != "html":
        return []
    anchors: Nodes = [{"t": "Anchor", "c": name} for name in _ANCHOR.findall(text)]
    inside = place(pandoc.read(text, "html"), assets, folder) if _WORTH_READING.search(text) else []
    if node["t"] == "RawBlock":
        return ([pandoc.paragraph(anchors)] if anchors else []) + inside
    if _BREAK.fullmatch(text):
        return {"t": "LineBreak"}
    return anchors + [child for block in inside for child in block["c"]]
