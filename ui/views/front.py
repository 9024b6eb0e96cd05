"""A search to its front: two scores of every point, which none beats, and what is marked. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.evaluation import Estimate
from merging.methods.params import WEIGHT
from merging.recipe import Recipe
from merging.search.axis import Axis
from merging.search.optimise import START, SearchResult
from merging.search.pareto import front
from merging.search.points import Point
from ui.views.sentences import settings_of
from ui.views.sweep import key_at, present_value, same_but_for
from ui.views.tasks import Names

MEAN, WORST = "mean", "worst"
WORDS = {MEAN: "Mean of all tasks", WORST: "Worst task"}


@dataclass(frozen=True, slots=True)
class Dot:
    """One setting that was merged and scored on the tuning half.

    Attributes:
        key: Of its recipe.
        words: What is special about it.
        x, y: Its two scores, as shares of the own experts'.
        mean: Mean over all tasks.
        shares: The same of each task.
        unbeaten: No other is as good on every task and better on one.
    """

    key: str
    words: str
    x: float
    y: float
    mean: Estimate
    shares: Mapping[str, Estimate]
    unbeaten: bool


@dataclass(frozen=True, slots=True)
class FrontView:
    """A search as its chart shows it.

    Attributes:
        across, up: What the axes are called.
        dots: Scored settings, in the order they were tried; the first is where it began.
        line: Places of those that no other beats on the two axes, from left to right.
        tasks: Letter and word of each task, by its id.
        best, simplest: Keys of those, or "".
        reported: The best one's two scores on the reporting half, or None.
        stale: It started from other settings than those of the controls.
        settings: Where it started, in words.
        failed: Settings that could not be scored, and why.
    """

    across: str
    up: str
    dots: tuple[Dot, ...]
    line: tuple[int, ...]
    tasks: Names
    best: str = ""
    simplest: str = ""
    reported: tuple[float, float] | None = None
    stale: bool = False
    settings: str = ""
    failed: tuple[str, ...] = ()

    def of(self, key: str) -> Dot | None:
        """Return the dot whose recipe has a key, or None."""
        return next((dot for dot in self.dots if dot.key == key), None)


def front_view(
    result: SearchResult, recipe: Recipe, tasks: Names, across: str = MEAN, up: str = WORST
) -> FrontView:
    """Arrange a search, whole or in part.

    Args:
        result: What was found.
        recipe: Of the controls.
        tasks: Letter and word of each task, by its id.
        across, up: ``mean``, ``worst``, or a task.
    """
    unbeaten = set(result.front)
    dots = tuple(
        _dot(point, result.axes, across, up, place in unbeaten)
        for place, point in enumerate(result.points)
        if point.mean is not None
    )
    line = sorted(front([(dot.x, dot.y) for dot in dots]), key=lambda i: (dots[i].x, -dots[i].y))
    chosen = result.chosen
    judged = chosen is not None and chosen.mean is not None
    return FrontView(
        score_name(across, tasks),
        score_name(up, tasks),
        dots,
        tuple(line),
        tasks,
        key_at(result, result.best),
        key_at(result, result.simplest),
        (_score(chosen, across), _score(chosen, up)) if chosen is not None and judged else None,
        not same_but_for(result.axes, result.recipe, recipe),
        settings_of(result.recipe, recipe),
        tuple(point.error for point in result.points if point.error),
    )


def short_words(point: Point, axes: Sequence[Axis]) -> str:
    """Return a point's settings with all weights as one list, in the order of the experts."""
    loud = any(axis.name == WEIGHT.name for axis in axes)
    began = point.settings == START
    if point.recipe is None or not (loud or began):
        return point.settings
    plain = [axis for axis in axes if axis.name != WEIGHT.name]
    values = [(axis, present_value(axis, point.recipe)) for axis in plain]
    told = [axis.text(value) for axis, value in values if value is not None]
    if loud:
        told.append(f"weights {', '.join(f'{expert.weight:g}' for expert in point.recipe.experts)}")
    return f"{START} ({', '.join(told)})" if began else ", ".join(told)


def score_name(name: str, tasks: Names) -> str:
    """Return what a score is called: "Mean of all tasks", "A Digits"."""
    return WORDS.get(name) or " ".join(tasks.get(name, ("", name))).strip()


def _dot(point: Point, axes: Sequence[Axis], across: str, up: str, unbeaten: bool) -> Dot:
    assert point.mean is not None and point.recipe is not None
    x, y = _score(point, across), _score(point, up)
    words = short_words(point, axes)
    return Dot(point.recipe.key(), words, x, y, point.mean, point.shares, unbeaten)


def _score(point: Point, name: str) -> float:
    assert point.mean is not None
    if name == WORST:
        return min(share.value for share in point.shares.values())
    return point.shares[name].value if name in point.shares else point.mean.value
