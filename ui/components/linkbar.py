"""Undo, redo, pin, swap, reset and the link; keeps the page's address right."""

from collections.abc import Mapping
from typing import Any

from ui.components.drawn import Drawn

_TEMPLATE = """<div class="me-bar" role="toolbar" aria-label="This experiment">
<div class="me-buttons">
<button type="button" data-action="undo" title="Ctrl+Z">Undo</button>
<button type="button" data-action="redo" title="Ctrl+Shift+Z">Redo</button>
<button type="button" data-action="reset">Reset</button>
<button type="button" data-action="pin" title="P">Pin this</button>
<button type="button" data-action="swap" title="S">Swap with pinned</button>
<button type="button" data-action="copy">Copy link</button></div>
<details class="me-keys"><summary>Keys</summary><div class="me-pop">
<p>P pins these settings or lets go of them, S swaps them with the pinned ones, Ctrl+Z undoes,
Ctrl+Shift+Z does it again. In a chart the arrow keys move and Enter opens.</p>
<label><input type="checkbox" checked> Single letters are shortcuts</label></div></details>
<p class="me-pinned" aria-live="polite"></p></div>"""


def linkbar_value(
    query: str,
    space: str,
    undo: bool,
    redo: bool,
    pinned: str,
    same: bool,
    hide: frozenset[str],
    asks: Mapping[str, object],
) -> dict[str, Any]:
    """Return what the component shows.

    Args:
        query: Of the page, without "?".
        space: Address of the page around it, or "" where it stands alone.
        undo, redo: Whether there is something to undo or to do again.
        pinned: The pinned recipe in words, or "".
        same: The pinned recipe is the one in the controls.
        hide: Parts of the page to leave out.
        asks: What goes back with every question of a slider: ``scored``, ``owner``, ``step`` of the
            state, and ``rows``, the names of the experts' controls.
    """
    return {
        "query": query,
        "space": space,
        "undo": undo,
        "redo": redo,
        "swap": bool(pinned) and not same,
        "pinned": pinned,
        "same": same,
        "hide": sorted(hide),
        **asks,
    }


class LinkBar(Drawn):
    """Buttons whose ``select`` carries ``{"action"}``: undo, redo, reset, pin, swap, settled.

    ``settled`` comes by itself when the query has not changed for a third of a second.
    """

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("figure.js", "linkbar.js", "ticks.js")
