"""A sweep of two axes to its grid: scored pairs, the present one, and what is marked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from merging.evaluation import Estimate
from merging.methods.params import Value
from merging.recipe import Recipe
from merging.search.axis import Axis
from merging.search.points import Point
from merging.search.sweep import SweepResult
from ui.views.sentences import settings_of
from ui.views.sweep import belongs, key_at, present_value
from ui.views.tasks import Names


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair of values that was merged and scored on the tuning half.

    Attributes:
        at: Place of each value on its axis.
        words: "λ = 0.3, Density = 0.2".
        key: Of its recipe.
        mean: Mean share of the own experts' scores.
        shares: The same of each task.
    """

    at: tuple[int, int]
    words: str
    key: str
    mean: Estimate
    shares: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class GridView:
    """A sweep of two axes as its chart shows it.

    Attributes:
        axes: The first goes to the right, the second up.
        tried: Scored pairs, row by row from below.
        tasks: Letter and word of each task, by its id.
        best, simplest: Keys of those points, or "".
        reported: The best one's mean on the reporting half, or None.
        present: Where the controls stand on each axis, between places too; None off the axis.
        stale: The points belong to other settings than those of the controls.
        settings: What was swept, in words.
        failed: Pairs that could not be scored, and why.
    """

    axes: tuple[Axis, Axis]
    tried: tuple[Pair, ...]
    tasks: Names
    best: str = ""
    simplest: str = ""
    reported: Estimate | None = None
    present: tuple[float, float] | None = None
    stale: bool = False
    settings: str = ""
    failed: tuple[str, ...] = ()

    def of(self, key: str) -> Pair | None:
        """Return the pair whose recipe has a key, or None."""
        return next((pair for pair in self.tried if pair.key == key), None)


def grid_view(result: SweepResult, recipe: Recipe, tasks: Names) -> GridView:
    """Arrange a sweep of two axes, whole or in part.

    Args:
        result: What was found.
        recipe: Of the controls.
        tasks: Letter and word of each task, by its id.
    """
    across, up = result.plan.axes
    tried = [_pair(point) for point in result.points if point.mean is not None]
    places = _place(across, recipe), _place(up, recipe)
    stale = not belongs(result, recipe)
    return GridView(
        (across, up),
        tuple(sorted(tried, key=lambda pair: pair.at[::-1])),
        tasks,
        key_at(result, result.best),
        key_at(result, result.simplest) if "seed" not in (across.kind, up.kind) else "",
        result.chosen.mean if result.chosen is not None else None,
        None if stale or None in places else places,  # type: ignore[arg-type]
        stale,
        settings_of(result.plan.recipe, recipe),
        tuple(point.error for point in result.points if point.error),
    )


def _pair(point: Point) -> Pair:
    assert point.mean is not None and point.recipe is not None
    at = point.at[0], point.at[1]
    return Pair(at, point.settings, point.recipe.key(), point.mean, point.shares)


def _place(axis: Axis, recipe: Recipe) -> float | None:
    """Where a recipe stands on an axis: a place, or between two of them."""
    value = present_value(axis, recipe)
    if value is None:
        return None
    if value in axis.values:
        return float(axis.values.index(value))
    return None if isinstance(value, str) else _between(axis.values, float(value))


def _between(values: tuple[Value, ...], value: float) -> float | None:
    for i, (low, high) in enumerate(pairwise(values)):
        if float(low) < value < float(high):
            return i + (value - float(low)) / (float(high) - float(low))
    return None
