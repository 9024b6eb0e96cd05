"""Words at the controls that change nothing with these settings."""

from typing import Any

from ui.components.drawn import Drawn

SAID = "Moving this changes nothing here."


def still_value(ids: list[str]) -> dict[str, Any]:
    """Return what the component says, at the elements with these ids."""
    return {"notes": [{"id": name, "text": SAID} for name in ids]}


class StillNotes(Drawn):
    """Takes no room itself: its script writes ``{"notes": [{"id", "text"}]}`` at the controls."""

    TEMPLATE = ""
    SCRIPTS = ("still.js",)
