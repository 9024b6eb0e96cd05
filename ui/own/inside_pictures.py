"""From a sketch and a recipe to the pictures of the section on weights. Pure."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from merging.checkpoints.buckets import row_order
from merging.recipe import Recipe
from merging.sketch import (
    Preview,
    Sketch,
    agreement,
    conflict_table,
    open_cell,
    preview,
    relative_sizes,
    winners,
)
from ui.charts.agreement import agreement_figure
from ui.charts.cell import cell_curves, cell_figure, twelve_table
from ui.charts.magnitudes import magnitudes_figure
from ui.charts.relative import relative_figure
from ui.charts.winners import winners_figure
from ui.components.heatmap import heatmap_value
from ui.views.agreement import agreement_view
from ui.views.cell import CellView, cell_view
from ui.views.conflict import conflict_view
from ui.views.heatmap_grid import HeatmapGrid, heatmap_groups
from ui.views.magnitudes import magnitudes_view
from ui.views.relative import relative_view
from ui.views.sentences import unbroken, weights_sentence
from ui.views.winners import winners_view

PICTURES = (
    "effect", "heatmap", "cell", "twelve", "curves", "magnitudes", "relative", "who_agrees",
    "who_won",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inside:
    """What can be told of a recipe before it is merged.

    Attributes:
        sketch: Holds the recipe's experts.
        recipe: What is asked.
        words: Word for every expert, by id.
        shown: The answer for the recipe.
    """

    sketch: Sketch
    recipe: Recipe
    words: Mapping[str, str]
    shown: Preview

    @property
    def order(self) -> tuple[str, ...]:
        """The experts as the recipe lists them."""
        return tuple(e.id for e in self.recipe.experts)

    @property
    def grid(self) -> HeatmapGrid:
        """Rows and columns of the heatmap."""
        found: HeatmapGrid = self.sketch.memo.get(
            ("grid",), lambda: heatmap_groups(self.sketch.buckets), 1
        )
        return found

    def cell(self, name: str) -> CellView | None:
        """Return an opened cell, named by layer and module; None where there is none."""
        layer, _, module = name.partition(" ")
        buckets = self.grid.buckets(layer, module)
        if not buckets:
            return None
        return cell_view(
            open_cell(self.sketch, self.recipe, buckets[0]), self.words, self.order, ""
        )


def look_inside(sketch: Sketch, recipe: Recipe, words: Mapping[str, str]) -> Inside:
    """Answer what a recipe does to the weights.

    Args:
        sketch: Of its models.
        recipe: What is asked.
        words: Word for every expert, by id.

    Raises:
        RecipeError: A value by layer stands where the method looks at the whole model.
    """
    return Inside(sketch, recipe, words, preview(sketch, recipe))


def pictures(inside: Inside, cell: str) -> dict[str, Any]:
    """Return the values of the section's pictures by name, ``PICTURES``.

    Args:
        inside: What is told.
        cell: Layer and module of the opened cell, or "".
    """
    sketch, recipe, words, order = inside.sketch, inside.recipe, inside.words, inside.order
    rows = tuple(sorted({b.row for b in sketch.buckets}, key=row_order))
    won = winners(inside.shown, [[b for b in sketch.buckets if b.row == row] for row in rows])
    table = conflict_table(inside.shown, inside.grid.groups)
    sizes = relative_view(relative_sizes(sketch, order), words, order)
    opened = inside.cell(cell) if cell else None
    found = {
        "heatmap": heatmap_value(conflict_view(inside.grid, table, None, "")),
        "cell": opened and cell_figure(opened),
        "twelve": opened and twelve_table(opened),
        "curves": opened and cell_curves(opened),
        "magnitudes": magnitudes_figure(magnitudes_view(sketch, inside.shown, words, order)),
        "relative": relative_figure(sizes),
        "who_agrees": agreement_figure(agreement_view(agreement(sketch, recipe), words, order)),
        "who_won": winners_figure(winners_view(won, rows, words, order, "", False)),
    }
    stamp = {"stamp": recipe.key()}
    stamped = {name: value and {**value, **stamp} for name, value in found.items()}
    said = html.escape(unbroken(weights_sentence(recipe, inside.shown)))
    return {"effect": f"<p>{said}</p>", **stamped}
