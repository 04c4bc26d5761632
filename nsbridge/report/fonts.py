"""Finding the fonts that a report is set in; knows no text.

Typst brings Libertinus Serif and DejaVu Sans Mono, matplotlib brings DejaVu Sans. The rest is taken from the
system where it is there: for Chinese, Japanese and Korean, for emoji, and GNU Unifont for everything else.
"""

from functools import cache
from pathlib import Path

import matplotlib as mpl
import typst
from matplotlib.ft2font import FT2Font

# In the order in which a missing character is looked for.
_FALLBACKS = (
    "DejaVu Sans",
    "Droid Sans Fallback",
    "Noto Sans CJK TC",
    "WenQuanYi Zen Hei",
    "Noto Color Emoji",
    "Unifont",
    "Unifont Upper",
)
EMOJI = "Noto Color Emoji"


@cache
def fallbacks() -> dict[str, Path]:
    """Return the fallback families found on this host and their regular fonts' files, in order."""
    shipped = Path(mpl.get_data_path(), "fonts", "ttf")
    found = {"DejaVu Sans": shipped / "DejaVuSans.ttf"}
    for font in typst.Fonts(include_system_fonts=True, include_embedded_fonts=False).fonts():
        if font.path and font.weight == 400 and font.style == "normal":
            found.setdefault(font.family, Path(font.path))
    return {family: found[family] for family in _FALLBACKS if family in found}


@cache
def covered() -> frozenset[int]:
    """Return the code points that at least one font holds; what Libertinus alone holds is not counted."""
    mono = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf")
    return frozenset().union(*(FT2Font(path).get_charmap() for path in (mono, *fallbacks().values())))


def link(folder: Path) -> None:
    """Make `folder` with a link to each fallback font, so that Typst sees these and no others."""
    folder.mkdir()
    for path in fallbacks().values():
        (folder / path.name).symlink_to(path)
