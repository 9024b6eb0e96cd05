"""The job line: waiting, progress, or how the last merge ended."""

from typing import Any

import gradio as gr

from ui.components.assets import script

_TEMPLATE = """<div class="me-job">
<div class="me-job-track" role="progressbar" aria-label="Merge and evaluation" aria-valuemin="0"
 aria-valuemax="100" hidden><div class="me-job-bar"></div></div>
<span class="me-job-text"></span><span class="me-job-said" aria-live="polite"></span></div>"""


class JobLine(gr.HTML):
    """Shows a ``JobView`` as a dict; a screen reader hears changes of state, not every step."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Make a line that is drawn at first paint."""
        kwargs.setdefault("html_template", _TEMPLATE)
        kwargs.setdefault("js_on_load", script("jobline.js"))
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "object"}
