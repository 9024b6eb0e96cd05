"""A sweep to its chart: points in order, the present value, and what is marked. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.errors import RecipeError
from merging.evaluation import Estimate
from merging.methods.params import WEIGHT, Value
from merging.recipe import Recipe
from merging.search.axis import Axis
from merging.search.optimise import SearchResult
from merging.search.points import Point
from merging.search.sweep import SweepResult
from ui.views.sentences import settings_of

FREE = ("parameter", "seed")  # whose other values leave nothing behind in a recipe
STRIPS = ("method", "seed")  # values without an order: dots instead of lines


@dataclass(frozen=True, slots=True)
class Tried:
    """One value that was merged and scored on the tuning half.

    Attributes:
        at: Its place among the values of the axis.
        value: Itself.
        words: "λ = 0.3".
        key: Of its recipe.
        mean: Mean share of the own experts' scores.
        shares: The same of each task.
    """

    at: int
    value: Value
    words: str
    key: str
    mean: Estimate
    shares: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class SweepView:
    """A sweep of one axis as its chart shows it.

    Attributes:
        axis: What was varied.
        tried: Scored values, in the order of the axis.
        tasks: Letter and word of each task, by its id.
        best, simplest: Keys of those points, or "".
        reported: The best one's mean on the reporting half, or None.
        present: Value of the controls; None where it is none of this axis.
        stale: The points belong to other settings than those of the controls.
        settings: What was swept, in words.
        failed: Values that could not be scored, and why.
        lost: Keys of the steps that a line search rolled back.
        walk: It is a line search: the best is where it went back to.
        allowed: The largest value that a guard on held-out tasks allows, or None without one.
    """

    axis: Axis
    tried: tuple[Tried, ...]
    tasks: Mapping[str, tuple[str, str]]
    best: str = ""
    simplest: str = ""
    reported: Estimate | None = None
    present: Value | None = None
    stale: bool = False
    settings: str = ""
    failed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    walk: bool = False
    allowed: float | None = None

    @property
    def strip(self) -> bool:
        """Its values have no order."""
        return self.axis.kind in STRIPS

    def of(self, key: str) -> Tried | None:
        """Return the value whose recipe has a key, or None."""
        return next((t for t in self.tried if t.key == key), None)


def sweep_view(
    result: SweepResult, recipe: Recipe, tasks: Mapping[str, tuple[str, str]]
) -> SweepView:
    """Arrange a sweep of one axis, whole or in part.

    Args:
        result: What was found.
        recipe: Of the controls.
        tasks: Letter and word of each task, by its id.
    """
    axis = result.plan.axes[0]
    tried = [_tried(p, axis) for p in result.points if p.mean is not None]
    chosen = result.chosen.mean if result.chosen is not None else None
    return SweepView(
        axis,
        tuple(sorted(tried, key=lambda t: t.at)),
        tasks,
        key_at(result, result.best),
        key_at(result, result.simplest) if axis.kind != "seed" else "",  # a draw is no setting
        chosen,
        present_value(axis, recipe),
        not belongs(result, recipe),
        settings_of(result.plan.recipe, recipe),
        tuple(p.error for p in result.points if p.error),
    )


def belongs(result: SweepResult, recipe: Recipe) -> bool:
    """Return whether a recipe is the one that was swept, but for what was varied."""
    return same_but_for(result.plan.axes, result.plan.recipe, recipe)


def same_but_for(axes: Sequence[Axis], first: Recipe, other: Recipe) -> bool:
    """Return whether two recipes differ in nothing but what axes vary."""
    free = [axis for axis in axes if axis.kind in FREE]
    begun = [first]
    for axis in axes:
        if axis.kind not in FREE:
            begun = [axis.at(one, value) for one in begun for value in axis.values]
    try:
        return _at_first(other, free).key() in {_at_first(one, free).key() for one in begun}
    except RecipeError:
        return False


def _at_first(recipe: Recipe, axes: Sequence[Axis]) -> Recipe:
    """A recipe with the first value of each axis."""
    for axis in axes:
        recipe = axis.at(recipe, axis.values[0])
    return recipe


def present_value(axis: Axis, recipe: Recipe) -> Value | None:
    """Return what a recipe has of an axis; None where experts differ, or where it has nothing."""
    if axis.kind == "count":
        return len(recipe.experts)
    if axis.kind == "method":
        return recipe.method
    if axis.kind == "seed":
        return recipe.seed
    settings, places = recipe.settings(), {e.id: i for i, e in enumerate(recipe.experts)}
    if axis.expert and axis.expert not in places:
        return None
    if axis.name == WEIGHT.name:
        return recipe.experts[places[axis.expert]].weight
    if axis.name not in settings.common:
        return None
    values = settings.each.get(axis.name) or (settings.common[axis.name],)
    if axis.expert:
        return values[places[axis.expert]] if len(values) == len(places) else values[0]
    return values[0] if len(set(values)) == 1 else None


def _tried(point: Point, axis: Axis) -> Tried:
    assert point.mean is not None and point.recipe is not None
    value, key = axis.values[point.at[0]], point.recipe.key()
    return Tried(point.at[0], value, point.settings, key, point.mean, point.shares)


def key_at(result: SweepResult | SearchResult, place: int | None) -> str:
    """Return the key of the recipe at a place among the points, or ""."""
    recipe = result.points[place].recipe if place is not None else None
    return recipe.key() if recipe is not None else ""
