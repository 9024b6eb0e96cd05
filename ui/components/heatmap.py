"""The conflict heatmap: a canvas that follows the slider."""

from typing import Any

from ui.components.drawn import Drawn
from ui.components.plot_host import FIGURE_TOOLS
from ui.views.models import HeatCell, HeatmapView

_TEMPLATE = f"""<figure class="me-figure">
<figcaption class="me-caption"></figcaption>
<canvas class="me-heat" tabindex="0" role="application"
 aria-label="Sign conflict by layer and module. Arrow keys move between cells."></canvas>
<p class="me-readout" role="status">Point at a cell, or move with the arrow keys.</p>
{FIGURE_TOOLS.format(more="")}</figure>"""


def heatmap_value(view: HeatmapView) -> dict[str, Any]:
    """Return what the component draws; a page adds a ``stamp`` that it echoes."""
    return {
        "rows": list(view.rows),
        "columns": list(view.columns),
        "cells": [[_cell(cell) for cell in row] for row in view.cells],
        "low": view.low,
        "high": view.high,
        "sentence": view.sentence,
    }


def _cell(cell: HeatCell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    value, chance = (None if x is None else round(x, 4) for x in (cell.value, cell.chance))
    return {"value": value, "chance": chance, "counted": cell.counted, "text": cell.text}


class ConflictHeatmap(Drawn):
    """Rows are layers from the input up, columns modules; each cell shows its chance level too.

    A click or Enter is a ``select`` event with ``{"row", "col", "layer", "module"}``. After
    drawing the canvas carries the value's ``stamp`` as ``data-stamp``.
    """

    TEMPLATE = _TEMPLATE
    SCRIPTS = (
        "figure.js",
        "heatmap_paint.js",
        "heatmap.js",
    )
