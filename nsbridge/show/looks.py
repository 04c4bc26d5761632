"""How the panel's parts look: HTML and SVG of plain data, in the report's colours; knows no widget and no lab."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from nsbridge.show.session import TRIPS
from nsbridge.show.sharing import PEOPLE, Row
from nsbridge.show.talk import Echo, shown

_LOWEST, _HIGHEST = 2, 5  # powers of ten: the strip's scale leads from 100 µs to 100 ms
_WIDTH, _HEIGHT = TRIPS * 5, 72
_LONGEST = 200  # characters of a message


def style() -> str:
    """Return the sheet that all parts need."""
    return f"<style>{files(__package__).joinpath('panel.css').read_text(encoding='utf-8')}</style>"


def state(word: str, text: str, fault: str) -> str:
    """Tell the state in a word (`down`, `busy`, `up`, `broken`) and a line; below it what went wrong, if anything."""
    line = f'<div class="nsb-state {word}"><i></i><b>{word}</b><span>{escape(text)}</span></div>'
    return line + f'<div class="nsb-fault" role="alert">{escape(fault)}</div>' * bool(fault)


def table(rows: Sequence[Row]) -> str:
    """Draw who is in which namespace; what the bridge shares with A or with B has that one's colour."""
    head = "".join(f"<th>{name}</th>" for name in PEOPLE.values())
    body = "".join(f"<tr><th>{row.kind}</th>{_cells(row)}</tr>" for row in rows)
    legend = "".join(f'<span><i class="{name.lower()}"></i>the bridge shares it with {name}</span>' for name in "AB")
    return f'<table class="nsb-table"><tr><th></th>{head}</tr>{body}</table><div class="nsb-legend">{legend}</div>'


def transcript(echoes: Sequence[Echo]) -> str:
    """Show what was typed, what came back and how long it took, the newest first."""
    lines = [
        f'<div class="nsb-echo{"" if echo.sent == echo.came else " changed"}"><p>{_text(echo.sent)}</p>'
        f"<p>{_text(echo.came)}</p><time>{duration(echo.us)}</time></div>"
        for echo in reversed(echoes)
    ]
    return f'<div class="nsb-talk">{"".join(lines) or "<em>What comes back is shown here.</em>"}</div>'


def strip(trips: Sequence[tuple[float, bool]]) -> str:
    """Draw round trips, in microseconds, as bars from left to right; those of typed messages stand out."""
    ruled = "".join(f"M0 {_y(10**power):.0f}H{_WIDTH}" for power in range(_LOWEST, _HIGHEST + 1))
    ticks = "".join(
        f'<span style="bottom:{100 * (power - _LOWEST) / (_HIGHEST - _LOWEST):.1f}%">{duration(10**power)}</span>'
        for power in range(_LOWEST, _HIGHEST + 1)
    )
    paths = "".join(
        f'<path class="{name}" d="{_bars(trips, typed=typed)}"/>'
        for name, typed in (("beat", False), ("typed", True))
    )
    return (
        '<div class="nsb-strip"><div class="nsb-legend"><b>Round trips</b><span><i class="beat"></i>a beat</span>'
        f'<span><i class="typed"></i>what you type</span><span class="sum">{summary(trips)}</span></div>'
        f'<div class="ticks">{ticks}</div><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="{summary(trips)}"><path class="rule" d="{ruled}"/>{paths}</svg></div>'
    )


def summary(trips: Sequence[tuple[float, bool]]) -> str:
    """Return median, slowest and last of round trips in words."""
    if not trips:
        return "none yet"
    times = [us for us, _ in trips]
    words = {"median": statistics.median(times), "slowest": max(times), "last": times[-1]}
    return f"of {len(times)}: " + ", ".join(f"{word} {duration(us)}" for word, us in words.items())


def duration(us: float) -> str:
    """Return microseconds in three digits or so."""
    for unit, size in (("µs", 1.0), ("ms", 1e3), ("s", 1e6)):
        if (number := us / size) < 999.5 or unit == "s":
            return f"{number:.0f} {unit}" if number >= 99.5 or unit == "µs" else f"{number:.3g} {unit}"
    raise AssertionError


def _cells(row: Row) -> str:
    owner = row.owner.lower()
    return "".join(
        f'<td class="{owner}">{inode}</td>' if who in row.marked else f"<td>{inode or '·'}</td>"
        for who, inode in row.inodes.items()
    )


def _text(data: bytes) -> str:
    return escape(shown(data, _LONGEST))


def _bars(trips: Sequence[tuple[float, bool]], *, typed: bool) -> str:
    places = enumerate(trips, TRIPS - len(trips))
    return "".join(
        f"M{place * 5 + 2.5} {_HEIGHT}V{_y(us):.1f}" for place, (us, by_hand) in places if by_hand == typed
    )


def _y(us: float) -> float:
    share = (math.log10(us) - _LOWEST) / (_HIGHEST - _LOWEST)
    return _HEIGHT * (1 - min(max(share, 0.02), 1))
