"""Which kind of tensor to look at: a row of radio buttons."""

from typing import Any

from ui.components.drawn import Drawn

WORDS = {
    "embed": "embedding",
    "q": "query",
    "k": "key",
    "v": "value",
    "qkv": "query, key and value",
    "o": "attention output",
    "router": "router",
    "gate": "gate",
    "up": "MLP in",
    "down": "MLP out",
    "conv": "convolution",
    "norm": "norm",
    "other": "other",
}
_TEMPLATE = '<fieldset class="me-choice"><legend>Kind of tensor</legend></fieldset>'


def kinds_value(there: tuple[str, ...], chosen: str) -> dict[str, Any]:
    """Return what the component shows: modules with their words, and the chosen one."""
    return {"kinds": [[kind, WORDS.get(kind, kind)] for kind in there], "chosen": chosen}


class KindChooser(Drawn):
    """A ``select`` event carries ``{"action": "kind", "kind"}``."""

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("kinds.js",)
