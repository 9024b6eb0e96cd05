"""The conflict heatmap: a canvas that follows the slider."""

from dataclasses import asdict
from typing import Any

import gradio as gr

from ui.components.assets import read_asset
from ui.views.models import HeatmapView

_TEMPLATE = """<figure class="me-figure">
<canvas class="me-heat" tabindex="0" role="application"
 aria-label="Sign conflict by layer and module. Arrow keys move between cells."></canvas>
<p class="me-readout" role="status">Point at a cell, or move with the arrow keys.</p>
<details class="me-numbers"><summary>Numbers</summary><div class="me-table"></div></details>
</figure>"""


def heatmap_value(view: HeatmapView) -> dict[str, Any]:
    """Return what the component draws; a page adds a ``stamp`` that it echoes."""
    cells = [[None if c is None else asdict(c) for c in row] for row in view.cells]
    return {
        "rows": list(view.rows),
        "columns": list(view.columns),
        "cells": cells,
        "low": view.low,
        "high": view.high,
        "sentence": view.sentence,
    }


class ConflictHeatmap(gr.HTML):
    """Rows are layers, columns modules; each cell shows conflict beside its chance level."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Make a heatmap that is drawn at first paint."""
        kwargs.setdefault("html_template", _TEMPLATE)
        kwargs.setdefault("js_on_load", read_asset("heatmap.js"))
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "object"}
