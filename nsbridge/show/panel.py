"""A control panel for a lab, in a notebook, and its twin in print; session acts, looks draws the parts."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from nsbridge.forms import Sheet, bold, mono, plain
from nsbridge.lab import Lab
from nsbridge.pairs import PAIRS, parse
from nsbridge.show import looks, sharing
from nsbridge.show.session import STEPS, Session
from nsbridge.show.talk import shown

_panels: dict[str, Panel] = {}
"""Those of this kernel, by lab."""


class Panel:
    """Pair, up and down, who shares what, a box to type into, and how long a line takes.

    There is one panel for a lab: a new one ends the one before, and finds the lab as that one left it.
    """

    def __init__(self, pair: str = "net-ipc", name: str = "panel") -> None:
        """Show the lab `name`, which may be up already; `pair` is what is offered first.

        Raises:
            UsageError: there is no such pair, or the name cannot be one.
        """
        Lab(pair, name)
        if name in _panels:
            _panels.pop(name).close()
        self._state, self._table, self._talk, self._strip = (widgets.HTML() for _ in range(4))
        self._pair = widgets.ToggleButtons(options=PAIRS, value=pair)
        self._up = widgets.Button(description="Up", button_style="primary", layout={"width": "6em"})
        self._down = widgets.Button(description="Down", layout={"width": "6em"})
        self._done = widgets.IntProgress(max=STEPS, layout={"width": "100%", "height": "3px"})
        self._box = widgets.Text(
            placeholder="type anything, and press Enter", continuous_update=False, layout={"width": "auto"}
        )
        self._all = self._arranged()
        self._session = Session(name)
        _panels[name] = self
        self._session.changed = self._draw
        self._draw()
        self._up.on_click(lambda _: self._session.up(self._pair.value))
        self._down.on_click(lambda _: self._session.down())
        self._pair.observe(lambda _: self._draw(), "value")
        self._box.observe(lambda _: self._typed(), "value")

    def up(self, pair: str = "") -> None:
        """Make the lab, in place of one that is up; of the pair that is chosen, if none is given.

        Raises:
            NsbridgeError: a step failed; nothing is left.
        """
        if pair:
            parse(pair)
            self._pair.value = pair
        self._session.up(self._pair.value).result()

    def say(self, *lines: str) -> None:
        """Type lines into the client in A.

        Raises:
            NsbridgeError: there is no lab, or an echo did not come.
        """
        for line in lines:
            self._session.say(line).result()

    def down(self) -> None:
        """Take the lab down."""
        self._session.down().result()

    def close(self) -> None:
        """End the panel; the lab stays."""
        self._session.end()
        self._all.close()

    def _typed(self) -> None:
        if line := self._box.value:
            self._box.value = ""
            self._session.say(line)

    def _arranged(self) -> widgets.Widget:
        row = {"align_items": "center", "justify_content": "space-between", "flex_flow": "row wrap"}
        buttons = widgets.HBox([self._up, self._down])
        halves = widgets.HBox(
            [
                widgets.VBox([self._table], layout={"flex": "3 1 27em"}),
                widgets.VBox([self._box, self._talk], layout={"flex": "2 1 17em"}),
            ],
            layout={"flex_flow": "row wrap", "grid_gap": "12px 22px"},
        )
        parts = [
            widgets.HTML(looks.style(), layout={"display": "none"}),
            widgets.HBox([self._pair, buttons], layout=row),
            self._state,
            self._done,
            halves,
            self._strip,
        ]
        whole = widgets.VBox(parts)
        whole.add_class("nsb")
        return whole

    def _draw(self) -> None:
        now = self._session
        busy, chosen = now.word == "busy", self._pair.value == now.pair
        self._state.value = looks.state(now.word, now.text, now.fault)
        self._done.value = now.done if busy else 0
        self._table.value = looks.table(now.rows)
        self._talk.value = looks.transcript(list(now.echoes))
        self._strip.value = looks.strip(list(now.trips))
        self._up.description = "Switch" if now.word == "up" and not chosen else "Up"
        self._up.disabled = busy or (now.word == "up" and chosen)
        self._down.disabled = busy or now.word == "down"
        self._box.disabled = now.word != "up"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """Return the widget, and what takes its place in print."""
        live: dict[str, Any] = self._all._repr_mimebundle_(**options)
        return live | {"text/markdown": self._markdown(), "text/plain": f"panel of lab {self._session.name!r}"}

    def _markdown(self) -> str:
        now = self._session
        words = now.fault or ("" if now.word == "down" else now.text)
        parts = [f"Lab {mono(now.name)} is {bold(now.word)}{': ' * bool(words)}{plain(words)}."]
        if now.lab:
            parts.append(sharing.sheet(now.rows).markdown())
        if now.echoes:
            rows = [
                [mono(shown(e.sent, 60)), mono(shown(e.came, 60)), looks.duration(e.us)] for e in list(now.echoes)
            ]
            parts.append(Sheet(["typed into the client in A", "came back", "after"], rows, "llr").markdown())
        if now.trips:
            parts.append(f"Round trips {looks.summary(list(now.trips))}.")
        return "\n\n".join(parts)
