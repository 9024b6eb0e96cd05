"""Values by layer and module on the page of own models: drawn, shown for settings, edited."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from merging.checkpoints.block_values import targets_of
from merging.checkpoints.blocks import Blocks
from merging.engine.local import settings_by_tensor
from merging.errors import MergeError, RecipeError
from merging.recipe import Recipe
from ui.charts.local import block_table, local_figure
from ui.charts.parts import words_only
from ui.components.block_table import BlockTable
from ui.components.plot_host import PlotHost
from ui.own.services import OwnServices
from ui.own.settings import OwnSettings, to_recipe
from ui.own.views import names_of
from ui.sections import read_fold
from ui.views.local import (
    NOWHERE,
    RULE,
    edited,
    local_view,
    target_named,
    title_of,
    word_of,
)

HELP = (
    ("Block", "a third of the layers and one kind of module; the tensors in it are counted"),
    ("Number", "holds for all tensors of its block, and goes before what the controls say"),
    (
        "Two numbers",
        "the block's tensors have different values, as along a curve; type one for all",
    ),
    ("Outside", RULE),
)


@dataclass(frozen=True)
class LocalParts:
    """The section's components."""

    table: BlockTable
    chart: PlotHost

    def outputs(self) -> list[Any]:
        """Return what ``shown`` changes."""
        return [self.table, self.chart]


def draw_local() -> LocalParts:
    """Draw the section, nothing chosen yet."""
    with gr.Column(elem_classes="me-section", elem_id="section-own-local"):
        gr.HTML("<h2>Values by layer and module</h2>")
        table = BlockTable({"sentence": NOWHERE}, elem_id="own-blocks")
        chart = PlotHost(words_only("", "values by layer"), elem_id="own-local")
        gr.HTML(read_fold("How to read this", HELP))
    return LocalParts(table, chart)


def local_shown(
    parts: LocalParts, services: OwnServices, settings: OwnSettings, looked: str
) -> dict[Any, Any]:
    """Return what the section shows for settings.

    Args:
        parts: The components.
        services: Know the models.
        settings: What the controls hold.
        looked: Word of whose values are looked at.
    """
    try:
        recipe = to_recipe(settings)
        blocks = services.blocks(recipe)
        target = target_named(recipe, looked)
    except MergeError as error:
        said = str(error) if settings.controls.on else NOWHERE
        return {parts.table: {"sentence": said}, parts.chart: words_only("", "values by layer")}
    names = names_of(settings)
    view = local_view(recipe, blocks, target, names)
    targets = [(word_of(t), title_of(recipe, t, names)) for t in targets_of(recipe)]
    return {
        parts.table: block_table(view, targets, word_of(target)),
        parts.chart: local_figure(view),
    }


def local_edited(
    services: OwnServices, settings: OwnSettings, looked: str, sent: Mapping[str, object]
) -> OwnSettings:
    """Return the settings after an edit of the table.

    Args:
        services: Know the models.
        settings: Before.
        looked: Word of whose values are edited.
        sent: From the page, unchecked.

    Raises:
        RecipeError: The edit is refused, or the method cannot follow it; nothing has changed.
    """
    recipe = to_recipe(settings)
    blocks = services.blocks(recipe)
    action = str(sent.get("action"))
    if action not in ("preset", "block"):
        raise RecipeError("The page asked for something unknown. Reload the page.")
    after = edited(recipe, blocks, target_named(recipe, looked), action, sent)
    _check(after, blocks)
    asleep = tuple(one for one in settings.local if one not in settings.fitting)
    return replace(settings, local=(*asleep, *after.local))


def _check(recipe: Recipe, blocks: Blocks) -> None:
    """Refuse what the engine would refuse after minutes of work."""
    settings_by_tensor(recipe.ordered(), blocks.spots, blocks.spots)
