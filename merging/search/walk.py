"""A line search along one parameter of a recipe, on real merges."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from merging.errors import Cancelled, RecipeError
from merging.jobs import Report, ResultCache
from merging.recipe import Recipe
from merging.search.axis import Axis, parameter_axis
from merging.search.line import Line, line_search
from merging.search.pace import Clock, Pace, part
from merging.search.points import Answers, Bench, Measure, Point
from merging.search.sweep import CHOOSING, reported


@dataclass(frozen=True, slots=True, eq=False)
class WalkResult:
    """A walk at one moment.

    Attributes:
        line: Its curve: value of the parameter and mean share of the own experts' accuracy.
        points: One for every step, on the tuning half, in order; a failed one is the last.
        own: What each task's own expert answers there.
        chosen: The point it rolled back to, on the reporting half; None before and when cancelled.
        spent: Seconds it has taken.
    """

    line: Line = field(default_factory=Line)
    points: tuple[Point, ...] = ()
    own: Answers = field(default_factory=dict)
    chosen: Point | None = None
    spent: float = 0.0

    @property
    def best(self) -> int | None:
        """Place in ``points`` that the walk rolled back to."""
        at = self.line.best
        return None if at is None else [place for place, _ in self.line.curve].index(at)


def walk(
    recipe: Recipe,
    report: Report,
    *,
    measure: Measure,
    name: str = "scale",
    start: float = 0.0,
    step: float = 0.1,
    end: float = 2.0,
    patience: int = 0,
    results: ResultCache | None = None,
    on_step: Callable[[WalkResult], None] = lambda result: None,
    budget_seconds: float = 60.0,
    clock: Clock = time.monotonic,
) -> WalkResult:
    """Step along a parameter while the mean share on the tuning half does not fall.

    The place it rolls back to is scored once on the reporting half. See ``line_search`` for the
    rule and ``sweep`` for the other arguments.

    Raises:
        RecipeError: The method has no such parameter, or it takes no such value.
        MergeError: The own experts cannot be scored.
    """
    axis = parameter_axis(recipe, name, values=dict.fromkeys((start, end)))
    pace = Pace(budget_seconds, clock)
    kept = results if results is not None else ResultCache(512)
    run = _Walk(recipe, axis, Bench(measure, kept, pace), on_step)
    told = pace.within(part(report, 0, CHOOSING))
    length = abs(end - start) or 1.0

    def score(at: float) -> float | None:
        return run.score(at, part(told, abs(at - start) / length, 1))

    line = line_search(score, start, step, end, patience, run.tell)
    run.tell(line)
    if line.stopped != "cancelled" and run.state.best is not None:
        run.choose(part(report, CHOOSING, 1))
    return run.state


class _Walk:
    """A walk at work."""

    def __init__(
        self, recipe: Recipe, axis: Axis, bench: Bench, on_step: Callable[[WalkResult], None]
    ) -> None:
        self.recipe, self.axis, self.bench, self._on_step = recipe, axis, bench, on_step
        self.state = WalkResult(own=bench.known_own())

    def score(self, at: float, report: Report) -> float | None:
        """Take the point of a place; its mean share, or None when it failed."""
        blank = Point(self.axis.text(at), None)
        try:
            blank = replace(blank, recipe=self.axis.at(self.recipe, at))
        except RecipeError as error:
            blank = blank.failed(error)
        point = self.bench.take(blank, report)
        if not point.error:
            own = self.bench.own("tuning", report)
            self.state = replace(self.state, own=own)
            point = point.judged(own)
        self.state = replace(self.state, points=(*self.state.points, point))
        return None if point.mean is None else point.mean.value

    def tell(self, line: Line) -> None:
        """Show how far it is."""
        self.state = replace(self.state, line=line, spent=self.bench.pace.spent)
        self._on_step(self.state)

    def choose(self, report: Report) -> None:
        """Score the place it rolled back to on the reporting half, unless that is cancelled."""
        place = self.state.best
        assert place is not None
        with suppress(Cancelled):
            found = reported(self.state.points[place], self.bench, report)
            self.state = replace(self.state, chosen=found)
        self.tell(self.state.line)
