"""What a sweep will do: a recipe, one axis or two, and all their points in coarse to fine order."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from math import prod
from typing import Literal, get_args

from merging.errors import RecipeError
from merging.jobs import Report
from merging.methods.params import Value
from merging.recipe import Recipe
from merging.search.asked import known_name
from merging.search.axis import Axis
from merging.search.grid import coarse_to_fine
from merging.search.points import Bench, Point

Choice = Literal["best", "simplest"]
MOST_POINTS = 1024
_FIRST = ("method", "count")  # what else is varied depends on them


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep, checked.

    Attributes:
        recipe: Of a bundled set; what is not varied stays as it is here.
        axes: One or two, different.
        choose: Which point is scored on the reporting half: the ``best`` mean, or the ``simplest``
            that is not clearly worse.

    Raises:
        RecipeError: No axis, too many, twice the same, or too many points.
        UnknownNameError: ``choose`` is neither.
    """

    recipe: Recipe
    axes: tuple[Axis, ...]
    choose: Choice = "best"

    def __post_init__(self) -> None:
        known_name("choice", self.choose, get_args(Choice))
        if not 1 <= len(self.axes) <= 2:
            raise RecipeError(f"A sweep has one axis or two, not {len(self.axes)}.")
        named = sorted((a.kind, a.name, a.expert) for a in self.axes)
        if any(a == b for a, b in pairwise(named)):
            raise RecipeError(f"Both axes vary {self.axes[0].label}. Choose another for one.")
        if self.total > MOST_POINTS:
            raise RecipeError(
                f"{self.total} points are too many; {MOST_POINTS} are the most. Take fewer values."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def total(self) -> int:
        """Number of points."""
        return prod(self.shape)

    def values(self, at: tuple[int, ...]) -> tuple[Value, ...]:
        """Return the value of each axis at a place of the grid."""
        return tuple(axis.values[i] for axis, i in zip(self.axes, at, strict=True))

    def points(self) -> tuple[Point, ...]:
        """Return all points without answers, coarse to fine.

        A point whose settings contradict each other says so and has no recipe.
        """
        return tuple(
            point_at(self.recipe, self.axes, self.values(at), at)
            for at in coarse_to_fine(self.shape)
        )

    def key(self) -> str:
        """Return what equal sweeps share, 16 hexadecimal digits."""
        parts = [p.recipe.key() if p.recipe else p.error for p in self.points()]
        return sha256(f"{self.shape}|{self.choose}|{parts}".encode()).hexdigest()[:16]


def point_at(
    recipe: Recipe, axes: Sequence[Axis], values: Sequence[Value], at: tuple[int, ...] = ()
) -> Point:
    """Return the point without answers where each axis has its value.

    Settings that contradict each other make a point without recipe, which says why.
    """
    pairs = list(zip(axes, values, strict=True))
    words = ", ".join(axis.text(value) for axis, value in pairs)
    try:
        for axis, value in sorted(pairs, key=lambda pair: pair[0].kind not in _FIRST):
            recipe = axis.at(recipe, value)
    except RecipeError as error:
        return Point(words, None, at=at).failed(error)
    return Point(words, recipe, at=at)


def estimate(plan: SweepPlan, bench: Bench, seconds: float) -> float:
    """Return how many seconds a sweep will take that nothing stops.

    Args:
        plan: What to do.
        bench: Knows which points need no time.
        seconds: A point takes; that of the last sweep of the set is a good guess.
    """
    todo = {p.recipe.key() for p in plan.points() if p.recipe and bench.known(p.recipe) is None}
    return seconds * (len(todo) + (not bench.known_own()) + 1)  # + 1: the reporting half


def measured_seconds(plan: SweepPlan, bench: Bench, report: Report) -> float:
    """Return how many seconds a point takes, by making the first that is not known.

    Its answers are kept, so that the sweep need not make it again. 0 where all are known, or none
    can be made.

    Raises:
        Cancelled: As raised by ``report``.
    """
    for point in plan.points():
        if point.recipe is not None and bench.known(point.recipe) is None:
            seconds = bench.take(point, report).seconds
            if seconds:
                return seconds
    return 0.0
