"""Pandoc's document tree: reading markup into it, changing it, writing it; knows no notebook and no report.

A tree is what pandoc's JSON form holds: a list of nodes `{"t": type, "c": content}`.
See https://hackage.haskell.org/package/pandoc-types for every type.
"""

import json
import subprocess
from collections.abc import Callable
from functools import cache
from typing import Any

import pypandoc  # type: ignore[import-untyped]  # it ships no types

from nsbridge.errors import HostError

Node = dict[str, Any]
Nodes = list[Node]

# What JupyterLab shows is GitHub's markdown with formulas between dollars; emoji names stay as typed.
MARKDOWN = "gfm+smart-emoji-yaml_metadata_block"

# Wide rows must not make pandoc fix the widths of a table's columns.
_WIDE = "--columns=10000"


@cache
def _program() -> str:
    try:
        return str(pypandoc.get_pandoc_path())
    except OSError as error:
        raise HostError("pandoc is missing: install the Python package pypandoc_binary") from error


def _run(text: str, source: str, target: str, *options: str) -> str:
    command = [_program(), "--from", source, "--to", target, _WIDE, *options]
    done = subprocess.run(
        command, input=text.encode("utf-8", "replace"), capture_output=True, check=False, timeout=120
    )
    if done.returncode:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise HostError(f"pandoc could not turn {source} into {target}: {reason}")
    return done.stdout.decode()


@cache
def _read(text: str, dialect: str) -> str:
    return _run(text, dialect, "json")


def read(text: str, dialect: str = MARKDOWN) -> Nodes:
    """Return the blocks of `text`.

    Raises:
        HostError: pandoc is missing or refuses the text.
    """
    blocks: Nodes = json.loads(_read(text, dialect))["blocks"]
    return blocks


def inlines(text: str) -> Nodes:
    """Return `text`, one paragraph of markdown, as inline nodes; further blocks are left out."""
    first = next(iter(read(text)), None)
    return list(first["c"]) if first and first["t"] in ("Para", "Plain") else [string(text)]


def write(blocks: Nodes, writer: str, *options: str) -> str:
    """Return `blocks` in the form that pandoc's `writer` makes (`typst`, `html5`)."""
    document = json.loads(_read("", MARKDOWN)) | {"blocks": blocks}
    return _run(json.dumps(document), "json", writer, "--wrap=none", *options)


def walk(tree: Any, replace: Callable[[Node], Node | Nodes]) -> Any:
    """Return a copy of `tree` in which `replace` took each node's place, the innermost first.

    `replace` returns a node, or a list of nodes that stand in its place.
    """
    if isinstance(tree, list):
        result: list[Any] = []
        for item in tree:
            changed = walk(item, replace)
            if isinstance(item, dict) and isinstance(changed, list):
                result.extend(changed)
            else:
                result.append(changed)
        return result
    if not isinstance(tree, dict):
        return tree
    node = {key: walk(value, replace) for key, value in tree.items()}
    return replace(node) if "t" in node else node


def plain(tree: Any) -> str:
    """Return the bare text of `tree`, footnotes left out."""
    words: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                collect(item)
        elif isinstance(node, dict):
            kind = node.get("t")
            if kind in ("Str", "Code", "Math"):
                words.append(node["c"] if kind == "Str" else node["c"][1])
            elif kind in ("Space", "SoftBreak", "LineBreak"):
                words.append(" ")
            elif kind != "Note":
                collect(node.get("c"))

    collect(tree)
    return "".join(words)


def string(text: str) -> Node:
    """Return one inline node that holds `text` literally."""
    return {"t": "Str", "c": text}


def paragraph(nodes: Nodes) -> Node:
    """Return a block of inline nodes, without a paragraph's space around it."""
    return {"t": "Plain", "c": nodes}


def header(level: int, identifier: str, nodes: Nodes, *classes: str) -> Node:
    """Return a heading; the class `unnumbered` takes its number away."""
    return {"t": "Header", "c": [level, [identifier, list(classes), []], nodes]}


def raw_block(writer: str, text: str) -> Node:
    """Return a block that only `writer` prints, as it stands."""
    return {"t": "RawBlock", "c": [writer, text]}


def raw_inline(writer: str, text: str) -> Node:
    """Return an inline node that only `writer` prints, as it stands."""
    return {"t": "RawInline", "c": [writer, text]}
