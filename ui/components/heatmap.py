"""The conflict heatmap: a canvas that follows the slider, with the part and the recipe to show."""

from typing import Any

import numpy as np

from merging.analysis.figures import Sums
from ui.components.drawn import Drawn
from ui.views.heatmap_grid import HeatmapGrid
from ui.views.models import HeatmapView, HeatPart, HeatSide

NOTHING = -1
UNIT = 10_000  # numbers travel as whole parts of this
CHOICES = """<div class="me-heat-view">
<fieldset class="me-choice"><legend>Show</legend>
<label><input type="radio" name="me-heat-part" value="contested" checked>Contested</label>
<label><input type="radio" name="me-heat-part" value="disjoint">Only one survives</label>
<label><input type="radio" name="me-heat-part" value="agree">Agree</label></fieldset>
<fieldset class="me-choice me-heat-sides" hidden><legend>Recipe</legend>
<label><input type="radio" name="me-heat-side" value="current" checked>Current</label>
<label><input type="radio" name="me-heat-side" value="pinned">Pinned</label>
<label><input type="radio" name="me-heat-side" value="difference">Difference</label></fieldset>
</div>"""
TOOLS = """<div class="me-tools">
<details class="me-numbers"><summary>Numbers</summary>
<div class="me-table" role="region" aria-label="Numbers" tabindex="0"></div></details>
<button type="button" class="me-quiet me-copy">Copy data</button>
<button type="button" class="me-quiet me-heat-csv">Save CSV</button>
<button type="button" class="me-quiet me-heat-image">Save image</button></div>"""
TEMPLATE = f"""<figure class="me-figure">
<figcaption class="me-caption"></figcaption>
{CHOICES}
<p class="me-heat-means"></p>
<canvas class="me-heat" tabindex="0" role="application"></canvas>
<p class="me-readout" role="status">Point at a cell, or move with the arrow keys.</p>
{TOOLS}</figure>"""


def heatmap_value(
    view: HeatmapView, part: str = "", side: str = "", cell: str | None = None
) -> dict[str, Any]:
    """Return what the component draws; a page adds a ``stamp`` that it echoes.

    Shares travel as whole numbers of 1/10,000 (-1: nothing counts), in the order of the grid's
    groups: cells, rows, columns, whole. A part is its values, and how far its interval reaches
    below and above them (empty where all are exact). ``holes`` are the places without a cell,
    row by row; a pinned side without ``sampled`` has the current one's.

    Args:
        view: The figures.
        part, side, cell: What to look at; without a part the page keeps what it shows.
    """
    grid = view.grid
    value: dict[str, Any] = {
        "rows": list(grid.rows),
        "columns": list(grid.columns),
        "holes": _holes(grid),
        "current": _side(view.current),
        "pinned": None if view.pinned is None else _side(view.pinned),
        "sentences": {part: dict(said) for part, said in view.sentences.items()},
    }
    if value["pinned"] and value["pinned"]["sampled"] == value["current"]["sampled"]:
        del value["pinned"]["sampled"]
    if part:
        value["view"] = {"part": part, "side": side or "current", "cell": cell or ""}
    return value


def _holes(grid: HeatmapGrid) -> list[int]:
    """Return the places without a cell, counted row by row."""
    width, there = len(grid.columns), set(grid.places)
    everywhere = range(len(grid.rows) * width)
    return [at for at in everywhere if divmod(at, width) not in there]


def _side(side: HeatSide) -> dict[str, Any]:
    return {
        "contested": _part(side.contested),
        "disjoint": _part(side.disjoint),
        "agree": _part(side.agree),
        "chance": _whole(side.chance),
        "shared": side.contested.counted.tolist(),
        "sampled": side.disjoint.counted.tolist(),
    }


def _part(part: HeatPart) -> list[list[int]]:
    below, above = part.value - part.low, part.high - part.value
    return [_whole(part.value), _reach(below), _reach(above)]


def _whole(values: Sums) -> list[int]:
    found: list[int] = (
        np.where(np.isnan(values), NOTHING, np.rint(values * UNIT)).astype(int).tolist()
    )
    return found


def _reach(values: Sums) -> list[int]:
    """Return distances, at least one unit where there is any; none if all are exact."""
    there = np.nan_to_num(values) > 1e-9
    if not there.any():
        return []
    found: list[int] = (
        np.where(there, np.maximum(1, np.rint(np.nan_to_num(values) * UNIT)), 0)
        .astype(int)
        .tolist()
    )
    return found


class ConflictHeatmap(Drawn):
    """Rows are layers from the input up, columns modules; each cell shows its chance level too.

    ``select`` events: ``{"action": "view", "part", "side"}`` when another part or recipe is
    chosen, and ``{"action": "cell", "row", "col", "layer", "module", "block"}`` when a cell is
    opened; ``layer`` is "" when it is closed. On narrow pages rows are pooled into blocks:
    ``block`` names such a row and ``layer`` the first of its rows that has the module. After
    drawing the canvas carries the value's ``stamp`` as ``data-stamp``.
    """

    TEMPLATE = TEMPLATE
    SCRIPTS = (
        "figure.js",
        "heatmap_data.js",
        "heatmap_words.js",
        "heatmap_colours.js",
        "heatmap_paint.js",
        "heatmap_scale.js",
        "heatmap_save.js",
        "heatmap.js",
    )
