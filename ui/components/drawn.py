"""What our drawn components share: a script draws them, and the value travels as JSON text."""

import json
from typing import Any, ClassVar

import gradio as gr

from ui.components.assets import script


class Drawn(gr.HTML):
    """A component that its script draws from a dict, at first paint and after every update.

    The page gets the dict as one text, which ``valueNow`` in ``drawn.js`` parses: Gradio's page
    wraps and clones every nested value it holds, and that took longer than drawing.
    """

    TEMPLATE: ClassVar[str]
    SCRIPTS: ClassVar[tuple[str, ...]]

    def __init__(self, value: dict[str, Any] | None = None, panel: str = "", **kwargs: Any) -> None:
        """Make a component with its class's template and scripts.

        Args:
            value: What it shows first.
            panel: Name under which answers to the page's own questions have its value, or "".
            kwargs: Of ``gr.HTML``.
        """
        kwargs.setdefault("html_template", self.TEMPLATE)
        kwargs.setdefault("js_on_load", self.on_load())
        super().__init__(value, panel=panel, **kwargs)

    def on_load(self) -> str:
        """Return the script that runs when the component is there."""
        return script("drawn.js", *self.SCRIPTS)

    def postprocess(self, value: dict[str, Any] | str | None) -> str | None:
        """Return the value as JSON text."""
        if value is None or isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "string"}
