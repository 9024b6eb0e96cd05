"""Sweeps of all visitors: studies that know beforehand how long they take."""

import time
from dataclasses import dataclass

from merging.jobs import Report, Snapshot
from merging.recipe import Recipe
from merging.search.pace import Pace
from merging.search.plan import SweepPlan, estimate
from merging.search.points import Bench, Measure
from merging.search.sweep import SweepResult, sweep
from ui.studies import Keep, Studies
from ui.views.guard import guards
from ui.views.sweep_words import how_many

BUDGET = 60.0
SWEEP = "sweep"


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """A visitor's last sweep at one moment; ``number`` is another one after every change."""

    result: SweepResult
    number: int


class Sweeps:
    """Starts sweeps as studies, and knows what a point of each set takes."""

    def __init__(self, studies: Studies, budget: float = BUDGET) -> None:
        """Begin without any.

        Args:
            studies: Runs them.
            budget: Seconds that a sweep may take before its chosen point is scored.
        """
        self.budget, self._studies = budget, studies
        self._seconds: dict[str, float] = {}

    def start(self, owner: str, plan: SweepPlan) -> Snapshot:
        """Queue a sweep; its points come to ``of`` as they are done.

        Raises:
            ResourceError: The visitor has another live job, or the queue is full.
        """

        def work(measure: Measure, report: Report, keep: Keep) -> SweepResult:
            return self._run(plan, measure, report, keep)

        return self._studies.start(owner, SWEEP, plan.key(), plan.recipe.set or "", work)

    def of(self, owner: str) -> Swept | None:
        """Return the visitor's last sweep that has a point, or None."""
        found = self._studies.of(owner, SWEEP)
        return None if found is None else Swept(found.value, found.number)

    def seconds(self, name: str) -> float | None:
        """Return what a point of a set takes; None where none was timed."""
        return self._seconds.get(name)

    def estimate(self, plan: SweepPlan) -> float | None:
        """Return how many seconds a sweep will take; None where no point of its set was timed."""
        name = plan.recipe.set or ""
        bench = Bench(self._studies.measure(name), self._studies.answers, Pace())
        points = estimate(plan, bench, 1.0)
        if points <= 1:  # only the chosen one, on the reporting half
            return 0.0
        seconds = self._seconds.get(name)
        return None if seconds is None else points * seconds

    def rehearse(self, recipe: Recipe) -> None:
        """Score a recipe twice: what is loaded once is loaded then, and a point's time is known.

        The own experts are measured too, without which the first point has no share.
        """
        with self._studies.turn:
            measure = self._studies.measure(recipe.set or "")
            Bench(measure, self._studies.answers, Pace()).own("tuning", lambda done, said: None)
            for _ in range(2):
                begin = time.perf_counter()
                measure.score(recipe, "tuning", lambda fraction, message: None)
                self._seconds[recipe.set or ""] = time.perf_counter() - begin

    def _run(self, plan: SweepPlan, measure: Measure, report: Report, keep: Keep) -> SweepResult:
        done = 0

        def kept(result: SweepResult) -> None:
            nonlocal done
            done = len(result.points)
            if result.points or result.ended == "budget":
                keep(result)

        def told(fraction: float, message: str) -> None:
            report(done / plan.total, f"{done} of {how_many(*plan.axes)} tried")

        result = sweep(
            plan,
            told,
            measure=measure,
            results=self._studies.answers,
            on_point=kept,
            budget_seconds=self.budget,
            source=self._studies.elsewhere(measure),
            with_base=guards(plan.axes),
        )
        if result.seconds:
            self._seconds[plan.recipe.set or ""] = result.seconds
        return result
