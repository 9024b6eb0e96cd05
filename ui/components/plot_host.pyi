"""A plotly figure in our own frame: it follows the theme, a slider, and the keyboard's reader."""

from typing import Any

import gradio as gr

from ui.components.assets import read_asset

_TEMPLATE = """<figure class="me-figure">
<div class="me-plot" role="img"></div>
<figcaption class="me-caption"></figcaption>
<details class="me-numbers"><summary>Numbers</summary><div class="me-table"></div>
<button type="button" class="me-copy">Copy as CSV</button></details></figure>"""

from gradio.events import Dependency

class PlotHost(gr.HTML):
    """Shows ``{"data", "layout", "sentence", "label", "table", "revision", "patch"}``.

    ``data`` and ``layout`` are plotly's, with colours as ``var(--me-...)``. While ``revision``
    stays the same only ``patch`` (shapes and annotations) is laid out again.
    """

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Make a host that shows a figure at first paint."""
        kwargs.setdefault("html_template", _TEMPLATE)
        kwargs.setdefault("js_on_load", read_asset("plot_host.js"))
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "object"}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component