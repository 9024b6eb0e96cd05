"""The list of runs: what was tried, how it scored, with a button to show and one to pin."""

from typing import Any

import gradio as gr

from ui.components.assets import script

_TEMPLATE = '<div class="me-runs"></div>'


class RunList(gr.HTML):
    """Shows ``{"rows": [RunRow as dict, ...]}``; ``select`` carries ``{"key", "action"}``."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Make a list that is drawn at first paint."""
        kwargs.setdefault("html_template", _TEMPLATE)
        kwargs.setdefault("js_on_load", script("runlist.js"))
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "object"}
