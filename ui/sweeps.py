"""Sweeps of all visitors: one job each, what every one found last, and how long points take."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from merging.jobs import JobRunner, Report, ResultCache, Snapshot
from merging.recipe import Recipe
from merging.search.pace import Pace
from merging.search.plan import SweepPlan, estimate
from merging.search.points import Bench, Measure, Point
from merging.search.sweep import SweepResult, sweep

BUDGET = 60.0
MOST_OWNERS = 256
PREFIX = "sweep"

MeasureOf = Callable[[str], Measure]


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """A visitor's last sweep at one moment; ``number`` is another one after every change."""

    result: SweepResult
    number: int

    def point(self, key: object) -> Point | None:
        """Return the point whose recipe has this key, or None."""
        found = (p for p in self.result.points if p.recipe is not None and p.recipe.key() == key)
        return next(found, None)


class Sweeps:
    """Starts sweeps as jobs and keeps the last one of each visitor, the least used go first."""

    def __init__(
        self,
        jobs: JobRunner,
        answers: ResultCache,
        measure_of: MeasureOf,
        budget: float = BUDGET,
    ) -> None:
        """Begin without any.

        Args:
            jobs: Runs them.
            answers: What recipes answered, shared by all visitors.
            measure_of: Opens a set.
            budget: Seconds that a sweep may take before its chosen point is scored.
        """
        self.measure_of, self.budget = measure_of, budget
        self._jobs, self._answers = jobs, answers
        self._latest = ResultCache(MOST_OWNERS)
        self._measures: dict[str, Measure] = {}
        self._seconds: dict[str, float] = {}
        self._numbers = count(1)
        self._turn = threading.Lock()  # a measure is for one thread at a time

    def start(self, owner: str, plan: SweepPlan) -> Snapshot:
        """Queue a sweep; its points come to ``of`` as they are done.

        Raises:
            ResourceError: The visitor has another live job, or the queue is full.
        """
        key = f"{PREFIX} {owner} {plan.key()}"  # nobody shares a run, but all share its points
        return self._jobs.submit(owner, key, lambda report: self._run(owner, plan, report))

    def of(self, owner: str) -> Swept | None:
        """Return the visitor's last sweep that has a point, or None."""
        found: Swept | None = self._latest.get(owner)
        return found

    def estimate(self, plan: SweepPlan) -> float | None:
        """Return how many seconds a sweep will take; None where no point of its set was timed."""
        bench = Bench(self._measure(plan.recipe.set or ""), self._answers, Pace())
        points = estimate(plan, bench, 1.0)
        if points <= 1:  # only the chosen one, on the reporting half
            return 0.0
        seconds = self._seconds.get(plan.recipe.set or "")
        return None if seconds is None else points * seconds

    def rehearse(self, recipe: Recipe) -> None:
        """Score a recipe twice: what is loaded once is loaded then, and a point's time is known."""
        with self._turn:
            measure = self._measure(recipe.set or "")
            for _ in range(2):
                begin = time.perf_counter()
                measure.score(recipe, "tuning", lambda fraction, message: None)
                self._seconds[recipe.set or ""] = time.perf_counter() - begin

    def _measure(self, name: str) -> Measure:
        if name not in self._measures:
            self._measures[name] = self.measure_of(name)
        return self._measures[name]

    def _run(self, owner: str, plan: SweepPlan, report: Report) -> SweepResult:
        done = 0

        def keep(result: SweepResult) -> None:
            nonlocal done
            done = len(result.points)
            if result.points:
                self._latest.put(owner, Swept(result, next(self._numbers)))

        def told(fraction: float, message: str) -> None:
            report(done / plan.total, f"{done} of {plan.total} values tried")

        with self._turn:
            result = sweep(
                plan,
                told,
                measure=self._measure(plan.recipe.set or ""),
                results=self._answers,
                on_point=keep,
                budget_seconds=self.budget,
            )
        if result.seconds:
            self._seconds[plan.recipe.set or ""] = result.seconds
        return result


def is_sweep(snapshot: Snapshot | None) -> bool:
    """Return whether a job is a sweep."""
    return snapshot is not None and snapshot.key.startswith(f"{PREFIX} ")
