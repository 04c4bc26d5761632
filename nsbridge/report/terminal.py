"""Monospaced text as coloured lines: what a terminal would show, and code with its syntax; knows no page.

Colours are chosen to be read on white paper, and to differ in grey as well.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import chop_cells
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from nsbridge.report.visible import visible, visible_stream

# The last column of a line; what is longer goes on in the next one behind the mark.
COLUMNS = 110
CONTINUED = "↪ "

_BLACK, _WHITE = (27, 31, 36), (255, 255, 255)
_NORMAL = [
    (27, 31, 36),
    (179, 38, 30),
    (26, 112, 53),
    (138, 98, 0),
    (31, 84, 158),
    (130, 47, 136),
    (0, 110, 122),
    (98, 106, 115),
]
_BRIGHT = [
    (98, 106, 115),
    (207, 34, 46),
    (36, 138, 68),
    (158, 106, 3),
    (46, 107, 196),
    (152, 72, 160),
    (17, 132, 146),
    (66, 74, 83),
]
_PALETTE = TerminalTheme(_WHITE, _BLACK, _NORMAL, _BRIGHT)
# By Pygments' token types.
_SYNTAX = ANSISyntaxTheme(
    {
        ("Keyword",): Style(color="#1f3a68", bold=True),
        (
            "Operator",
            "Word",
        ): Style(color="#1f3a68", bold=True),
        (
            "Literal",
            "String",
        ): Style(color="#35693a"),
        (
            "Literal",
            "Number",
        ): Style(color="#8a4b08"),
        ("Comment",): Style(color="#707780", italic=True),
        (
            "Name",
            "Function",
        ): Style(color="#20527a"),
        (
            "Name",
            "Class",
        ): Style(color="#20527a", bold=True),
        (
            "Name",
            "Decorator",
        ): Style(color="#6a3d86"),
        (
            "Name",
            "Builtin",
        ): Style(color="#20527a"),
        (
            "Name",
            "Tag",
        ): Style(color="#1f3a68"),
        (
            "Name",
            "Attribute",
        ): Style(color="#20527a"),
    }
)
# ECMA-48: control sequences, command strings (titles, links) and character sets; or an ESC that starts none.
_SEQUENCE = re.compile(r"(\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\([0-9A-Z])|\x1b")
_CONSOLE = Console(file=io.StringIO(), color_system="truecolor", width=COLUMNS)


@dataclass(frozen=True)
class Span:
    """A run of characters of one look; colours are `#rrggbb`, or empty for the page's own."""

    text: str
    ink: str = ""
    paper: str = ""
    bold: bool = False
    italic: bool = False
    underlined: bool = False
    struck: bool = False


def decode(stream: str) -> Text:
    """Return what a terminal shows after `stream`: SGR colours kept, other escape sequences dropped.

    A carriage return inside a line discards what stood before it, as progress bars expect.
    """
    rows = visible_stream(_SEQUENCE.sub(_colour_only, stream)).rstrip("\n").split("\n")
    text = Text.from_ansi("\n".join(row.rstrip("\r").rsplit("\r", 1)[-1] for row in rows))
    text.expand_tabs(8)
    return text


def _colour_only(sequence: re.Match[str]) -> str:
    found = sequence[1]
    if found is None:
        return "␛"
    return found if found.endswith("m") and found.startswith("\x1b[") else ""


def highlight(code: str, lexer: str) -> Text:
    """Return `code` with its syntax in colour; a `lexer` that Pygments does not know leaves it plain."""
    text = Syntax("", lexer or "text", theme=_SYNTAX).highlight(visible(code.rstrip()))
    text.rstrip()
    text.expand_tabs(4)
    return text


def lines(text: Text) -> Iterator[list[Span]]:
    """Yield each line of `text` as its spans."""
    for line in text.split("\n", allow_blank=True):
        yield list(_spans(line))


def folded(text: Text) -> Iterator[list[Span]]:
    """Like `lines`, but cut to `COLUMNS` cells, each cut shown by a mark in the next line."""
    for line in text.split("\n", allow_blank=True):
        part, rest = _cut(line, COLUMNS)
        yield list(_spans(part))
        while rest:
            part, rest = _cut(rest, COLUMNS - len(CONTINUED))
            yield [Span(CONTINUED, ink="#9aa1a9"), *_spans(part)]


def _cut(line: Text, columns: int) -> tuple[Text, Text]:
    if line.cell_len <= columns:
        return line, Text()
    head = chop_cells(line.plain, columns)[0]
    first, *rest = line.divide([len(head)])
    return first, rest[0] if rest else Text()


def _spans(line: Text) -> Iterator[Span]:
    for segment in line.render(_CONSOLE):
        style = segment.style or Style.null()
        ink, paper = _hex(style.color), _hex(style.bgcolor)
        if style.reverse:
            ink, paper = paper or "#ffffff", ink or "#1b1f24"
        if style.dim and not ink:
            ink = "#626a73"
        yield Span(
            segment.text,
            ink,
            paper,
            bool(style.bold),
            bool(style.italic),
            bool(style.underline),
            bool(style.strike),
        )


def _hex(color: Color | None) -> str:
    return "" if color is None or color.is_default else color.get_truecolor(_PALETTE).hex
