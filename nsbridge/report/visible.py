r"""Making every code point seen: characters that would show as nothing are written out.

A C0 control becomes its picture (U+0000 is ␀, ESC is ␛, DEL is ␡). Anything else without a shape of its own
(C1 controls, marks that turn the writing direction, surrogates, unassigned and private code points), and any
character that no font at hand holds, becomes its number in brackets: ⟦U+202E⟧. Knows no notebook.
"""

import re
import unicodedata
from collections.abc import Set

# They join what stands around them (emoji sequences, Arabic, Indic), so they have to stay.
_JOINERS = frozenset("\u200c\u200d")
_SHAPELESS = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_ASCII_TEXT = re.compile(r"[\n\t -~]*")
_ASCII_STREAM = re.compile(r"[\n\t\r\x1b -~]*")


def escaped(character: str) -> str:
    """Return the number of `character` in brackets."""
    return f"⟦U+{ord(character):04X}⟧"


def _shown(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if character not in _JOINERS and unicodedata.category(character) in _SHAPELESS:
        return escaped(character)
    return character


def visible(text: str, keep: str = "\n\t") -> str:
    """Return `text` with each character that has no shape written out, those of `keep` excepted."""
    if _ASCII_TEXT.fullmatch(text):
        return text
    return "".join(char if char in keep else _shown(char) for char in text.replace("\r\n", "\n"))


def visible_stream(text: str) -> str:
    """Like `visible`, but leave what a terminal acts upon: carriage returns and escape sequences."""
    if _ASCII_STREAM.fullmatch(text):
        return text
    return visible(text, keep="\n\t\r\x1b")


def escape_missing(text: str, covered: Set[int]) -> str:
    """Return `text` with each character whose code point is not in `covered` written as its number."""
    missing = {code for code in map(ord, set(text)) if code > 0x7E and code not in covered}
    return text.translate({code: escaped(chr(code)) for code in missing})
