"""What each part of a merged model costs or carries, on the layer x module grid. Pure."""

from dataclasses import dataclass

from merging.checkpoints.buckets import MODULES, row_order
from merging.evaluation import Estimate
from merging.recipe import Recipe
from merging.search.attribution import AttributionResult, Effect
from ui.views.sentences import settings_of
from ui.views.tasks import Names

MEAN = "mean"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Part:
    """One part that was put back to the base.

    Attributes:
        at: Column and row.
        label: "L2 up".
        gain: What a task, or the mean of all, gains when the base's weights are back, as share of
            the own expert's score, paired: above 0 where the part as merged costs it.
        gains: The same of each task.
        clear: The interval leaves out 0.
    """

    at: tuple[int, int]
    label: str
    gain: Estimate
    gains: dict[str, Estimate]
    clear: bool


@dataclass(frozen=True, slots=True)
class PartsView:
    """An attribution as its chart shows it.

    Attributes:
        rows: From the input up.
        columns: Modules.
        parts: Those that are done, in the order of the grid.
        there: Column and row of every part there is.
        score: Whose gain is drawn: "mean of all tasks", "A Digits".
        tasks: Letter and word of each task, by its id.
        stale: It is of other settings than those of the controls.
        settings: Of what was merged, in words.
        failed: Parts that could not be put back, and why.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    parts: tuple[Part, ...]
    there: frozenset[tuple[int, int]]
    score: str
    tasks: Names
    stale: bool = False
    settings: str = ""
    failed: tuple[str, ...] = ()


def parts_view(
    result: AttributionResult, recipe: Recipe, tasks: Names, task: str = MEAN
) -> PartsView:
    """Arrange an attribution, whole or in part.

    Args:
        result: What was found.
        recipe: Of the controls.
        tasks: Letter and word of each task, by its id.
        task: Whose gain is shown, or ``mean``.
    """
    rows = tuple(sorted({b.row or ALL for b in result.blocks}, key=row_order))
    kinds = {b.module or ALL for b in result.blocks}
    columns = tuple(m for m in (*MODULES, ALL) if m in kinds)
    place = {
        block: (columns.index(block.module or ALL), rows.index(block.row or ALL))
        for block in result.blocks
    }
    done = [effect for effect in result.effects if effect.change is not None]
    parts = sorted((_part(e, place[e.block], task) for e in done), key=lambda p: p.at[::-1])
    return PartsView(
        rows,
        columns,
        tuple(parts),
        frozenset(place.values()),
        score_words(task, tasks),
        tasks,
        result.recipe.key() != recipe.key(),
        settings_of(result.recipe, recipe),
        tuple(effect.error for effect in result.effects if effect.error),
    )


def score_words(task: str, tasks: Names) -> str:
    """Return whose gain is shown, in words."""
    return " ".join(tasks[task]).strip() if task in tasks else "mean of all tasks"


def _part(effect: Effect, at: tuple[int, int], task: str) -> Part:
    assert effect.change is not None
    gains = {name: pair[1] for name, pair in effect.change.tasks.items()}
    gain = gains.get(task, effect.change.mean[1])
    return Part(at, effect.block.label, gain, gains, gain.low > 0 or gain.high < 0)
