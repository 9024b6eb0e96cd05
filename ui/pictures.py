"""From a scene to the pictures of the sections below the scores. No Gradio, no state."""

from typing import Any

from merging.checkpoints.buckets import row_order
from merging.sketch import (
    agreement,
    conflict_table,
    in_loops,
    inert,
    readings,
    relative_sizes,
    subspaces,
    winners,
)
from merging.sketch.answers import Winners
from ui.charts.agreement import agreement_figure
from ui.charts.cell import cell_curves, cell_figure, twelve_table
from ui.charts.magnitudes import magnitudes_figure
from ui.charts.relative import relative_figure
from ui.charts.subspaces import overlap_figure, rank_figure
from ui.charts.tables import dialects_table
from ui.charts.winners import winners_figure
from ui.components.heatmap import heatmap_value
from ui.components.kinds import kinds_value
from ui.components.still import still_value
from ui.scene import Scene
from ui.views.agreement import agreement_view
from ui.views.conflict import conflict_view
from ui.views.dialects import dialects_view
from ui.views.magnitudes import magnitudes_view
from ui.views.relative import relative_view
from ui.views.subspaces import SubspacesView, subspaces_view
from ui.views.winners import winners_view

PINNED = "the pinned settings"

Value = dict[str, Any]


def heatmap(scene: Scene) -> Value:
    """Return conflict by layer and module, of the recipe and the pinned one."""
    grid = scene.grid
    pinned = None
    if scene.pinned_preview is not None and not scene.same:
        pinned = conflict_table(scene.pinned_preview, grid.groups)
    view = conflict_view(
        grid,
        conflict_table(scene.preview, grid.groups),
        pinned,
        pinned_name(scene),
    )
    look = scene.state.view
    return _stamped(scene, heatmap_value(view, look.part, look.side, look.cell))


def magnitudes(scene: Scene) -> Value:
    """Return how large changes are, with their cuts."""
    view = magnitudes_view(scene.sketch, scene.preview, scene.words, scene.order)
    return _stamped(scene, magnitudes_figure(view))


def relative(scene: Scene) -> Value:
    """Return how large changes are beside the weights, by layer."""
    found = relative_sizes(scene.sketch, _ids(scene))
    return relative_figure(relative_view(found, scene.words, scene.order))


def who_agrees(scene: Scene) -> Value:
    """Return experts against experts."""
    found = agreement(scene.sketch, scene.recipe)
    return agreement_figure(agreement_view(found, scene.words, scene.order))


def who_won(scene: Scene) -> Value:
    """Return whose sign prevails, by layer."""
    rows = tuple(sorted({b.row for b in scene.sketch.buckets}, key=row_order))
    groups = [[b for b in scene.sketch.buckets if b.row == row] for row in rows]
    found: Winners | None = winners(scene.preview, groups)
    beside = "" if scene.pinned is None else pinned_name(scene)
    view = winners_view(found, rows, scene.words, scene.order, beside, scene.same)
    return _stamped(scene, winners_figure(view))


def kind(scene: Scene) -> Value:
    """Return which kinds of tensors can be looked at, and which one is."""
    return kinds_value(scene.kinds, _kind(scene))


def ranks(scene: Scene) -> Value | None:
    """Return how many directions the changes of a kind of tensor use."""
    view = _directions(scene)
    return None if view is None else rank_figure(view)


def overlap(scene: Scene) -> Value | None:
    """Return how many of these directions experts share."""
    view = _directions(scene)
    return None if view is None else overlap_figure(view)


def dialects(scene: Scene) -> Value:
    """Return what the same settings mean in each dialect."""
    found = readings(scene.sketch, scene.recipe)
    return dialects_table(dialects_view(scene.recipe.spec, scene.recipe.dialect, found))


def still(scene: Scene) -> Value:
    """Return the controls that change nothing, where that is told in milliseconds."""
    if not in_loops(scene.sketch, scene.recipe):
        return still_value([])
    rows = dict(zip(scene.order, scene.services.rows, strict=False))
    found = inert(scene.sketch, scene.recipe)
    method = scene.recipe.method
    places = {"weight": "weight-{}", "seed": "seed"}
    names = [
        places.get(one.name, f"{method}-{one.name}").format(rows.get(one.expert, ""))
        for one in found
    ]
    return still_value(names)


def cell(scene: Scene) -> Value | None:
    """Return the five parts of the opened cell; None while none is open."""
    return None if scene.cell is None else _stamped(scene, cell_figure(scene.cell) or {})


def curves(scene: Scene) -> Value | None:
    """Return how large changes are in the opened cell."""
    return None if scene.cell is None else _stamped(scene, cell_curves(scene.cell))


def twelve(scene: Scene) -> Value | None:
    """Return twelve weights of the opened cell on their way through the method."""
    return None if scene.cell is None else _stamped(scene, twelve_table(scene.cell))


def pinned_name(scene: Scene) -> str:
    """Return what the pinned recipe is called: its run's name, if it has one."""
    return (scene.name_of(scene.pinned.key()) if scene.pinned else "") or PINNED


def _directions(scene: Scene) -> SubspacesView | None:
    chosen = _kind(scene)
    if not chosen:
        return None
    found = subspaces(scene.sketch, chosen, _ids(scene))
    return subspaces_view(found, scene.words, scene.order)


def _kind(scene: Scene) -> str:
    asked = scene.state.view.kind
    return asked if asked in scene.kinds else next(iter(scene.kinds), "")


def _ids(scene: Scene) -> tuple[str, ...]:
    return tuple(e.id for e in scene.recipe.experts)


def _stamped(scene: Scene, value: Value) -> Value:
    return value | {"stamp": scene.recipe.key()}
