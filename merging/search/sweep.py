"""Run a sweep: every point a real merge, partial results as they come, one score at the end."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from merging.errors import Cancelled, MergeError
from merging.jobs import Report, ResultCache
from merging.search.pace import Clock, Ended, Pace, ended_by, part
from merging.search.pareto import best_mean, simplest_within_noise
from merging.search.plan import SweepPlan
from merging.search.points import Answers, Bench, Measure, Point
from merging.search.source import Source, in_turn, taken
from merging.units import time_text

CHOOSING = 0.95  # share of the work before the reporting half


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """A sweep at one moment.

    Attributes:
        plan: What is swept.
        points: Those that are done, on the tuning half, in the order they were done; failed ones
            say why.
        own: What each task's own expert answers there; empty until it was measured.
        base: What the base answers there; empty where it was not asked for, and until then.
        ended: "" while it runs; ``complete``, or stopped by the ``budget`` or ``cancelled``.
        budget: Seconds it was given.
        spent: Seconds it has taken.
        seconds: A point takes; 0 where all were known.
        best: Place in ``points`` of the best mean, or None.
        simplest: Place of the simplest that is not clearly worse; only when it has ended.
        chosen: The chosen point once more, on the reporting half; None before and when cancelled.
    """

    plan: SweepPlan
    points: tuple[Point, ...] = ()
    own: Answers = field(default_factory=dict)
    base: Answers = field(default_factory=dict)
    ended: Ended = ""
    budget: float = 60.0
    spent: float = 0.0
    seconds: float = 0.0
    best: int | None = None
    simplest: int | None = None
    chosen: Point | None = None

    @property
    def left(self) -> float:
        """Seconds it will still take, at most what is left of the budget."""
        rest = self.seconds * (self.plan.total - len(self.points))
        return 0.0 if self.ended else max(0.0, min(rest, self.budget - self.spent))

    @property
    def message(self) -> str:
        """How far it is, or how it ended, in words."""
        done = f"{len(self.points)} of {self.plan.total} points"
        bad = sum(bool(p.error) for p in self.points)
        failed = f", {bad} of them failed" if bad else ""
        if self.ended == "budget":
            return f"Stopped at the budget of {time_text(self.budget)}: {done}{failed}."
        if self.ended == "cancelled":
            return f"Cancelled. {done} were done{failed} and are kept."
        return f"{done}{failed}" + ("." if self.ended else "")


def sweep(
    plan: SweepPlan,
    report: Report,
    *,
    measure: Measure,
    results: ResultCache | None = None,
    on_point: Callable[[SweepResult], None] = lambda result: None,
    budget_seconds: float = 60.0,
    clock: Clock = time.monotonic,
    source: Source | None = None,
    with_base: bool = False,
) -> SweepResult:
    """Merge and score every point of a plan on the tuning half, and the chosen one once more.

    A point that fails says so and the others go on. Known points cost nothing and come first. The
    budget is for the points; what is chosen of them is scored on the reporting half after it.

    Args:
        plan: What to do.
        report: Called with the share done and a word, several times a point; when it raises
            ``Cancelled`` the sweep returns with what is done.
        measure: Merges and scores.
        results: Keeps answers by recipe, half and items, for this and other searches.
        on_point: Called with the state of the sweep after each point; once more when the own
            experts are known, and at the end.
        budget_seconds: After so many seconds no point goes on.
        clock: Seconds; a test may bring its own.
        source: Scores several recipes elsewhere, in any order; by default here, one after another.
        with_base: Whether the base is scored as well, after the points, for a ``guard``.

    Returns:
        What became of it; ``ended`` says how.

    Raises:
        MergeError: The own experts cannot be scored.
    """
    pace = Pace(budget_seconds, clock)
    kept = results if results is not None else ResultCache(2 * plan.total + 4)
    run = _Sweep(plan, Bench(measure, kept, pace), on_point)
    ended = ended_by(
        lambda: run.tune(pace.within(part(report, 0, CHOOSING)), source or in_turn(measure)),
        lambda: run.choose(part(report, CHOOSING, 1), with_base),
    )
    run.tell(ended=ended)
    return run.state


class _Sweep:
    """A sweep at work: its state and what changes it."""

    def __init__(
        self, plan: SweepPlan, bench: Bench, on_point: Callable[[SweepResult], None]
    ) -> None:
        self.bench, self._on_point = bench, on_point
        self.state = SweepResult(plan, budget=bench.pace.budget, own=bench.known_own())

    def tell(self, *points: Point, **changes: Any) -> None:
        """Change the state and show it."""
        done = (*self.state.points, *points)
        pace = self.bench.pace
        shown = replace(self.state, points=done, spent=pace.spent, seconds=pace.seconds)
        self.state = replace(shown, best=best_mean(done), **changes)
        self._on_point(self.state)

    def tune(self, report: Report, source: Source) -> None:
        """Take all points; raises as ``report`` and when the next would not fit the budget."""
        with closing(taken(self.state.plan.points(), self.bench, source, report)) as found:
            for points in found:
                self.tell(*(point for _, point in points))
                self._judge(report)

    def _judge(self, report: Report) -> None:
        """Measure the own experts after the first answers, so that those are not kept waiting."""
        if self.state.own or not any(p.correct for p in self.state.points):
            return
        own = self.bench.own("tuning", report)
        judged = tuple(p.judged(own) for p in self.state.points)
        self.state = replace(self.state, points=judged, own=own)
        self.tell()

    def choose(self, report: Report, with_base: bool) -> None:
        """Mark the simplest within noise, and score the chosen point on the reporting half."""
        self._judge(report)
        if with_base:
            self.tell(base=self.bench.base("tuning", report))
        simplest = simplest_within_noise(self.state.points, self.state.own)
        self.tell(simplest=simplest)
        place = self.state.best if self.state.plan.choose == "best" else simplest
        if place is not None:
            found = self.state.points[place]
            self.tell(chosen=reported(found, self.bench, report))


def reported(point: Point, bench: Bench, report: Report) -> Point:
    """Return a point of the tuning half as it does on the reporting half, or why it cannot be told.

    Raises:
        Cancelled: As raised by ``report``.
    """
    blank = Point(point.settings, point.recipe, "reporting", point.at)
    report(0, "score the chosen point on the reporting half")
    try:
        own = bench.own("reporting", report)
    except Cancelled:
        raise
    except MergeError as error:
        return blank.failed(error)
    return bench.take(blank, report).judged(own)
