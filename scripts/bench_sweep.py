"""Time sweeps on a bundled set beside their targets: one thread, as in the server.

    python -m scripts.bench_sweep [--turns 3] [--items 200] [--json FILE]

A sweep of 21 values for five experts, medians of ``--turns`` runs, each with a fresh cache; the
process is warm (libraries imported, loops compiled), as a server is. A further point is the time
from one partial result to the next without the first; it is held against the evaluation inside of
the same points, so that a busy machine slows both.

What was tried and what each step gained (one thread, TIES, 5 experts, 200 items a task): opening
the set for every point 15 ms, building the model from its weights 16 to 20 ms, now 1 ms by writing
into the one that is there; merging in two threads 45 to 80 ms, in one 30 ms (TIES), 24 ms (task
arithmetic), 19 ms (DARE), for tensors of this size are done before a thread is told of them; the
evaluation takes 400 ms in one thread, 260 ms in two. Two points at once in two threads take as
long as one after another in two threads.

Measured so (two cores of a virtual server, others at work with a load of 5 to 7, medians of 2): 21
points of λ with TIES 13.8 s, of task arithmetic 10.5 s, of a weight 14.0 s; first partial result
0.5 to 0.9 s; a further point over its evaluation 1.09 to 1.12, without reuse 1.38; cancel 0.07 s;
attribution 0.53 s a block. Seconds follow what else runs: an evaluation took 0.43 to 0.75 s, so
that DARE missed its target then (18.6 s) and held it soon after (11.2 s) when TIES missed it
(42 s, tests running beside it). Ratios stayed: 1.07 to 1.16.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from merging.engine import one_thread
from merging.engine.cache import Intermediates
from merging.errors import Cancelled
from merging.jobs import Report as Told
from merging.recipe import Recipe, make_recipe
from merging.search.attribution import attribute
from merging.search.axis import Axis, parameter_axis, weight_axis
from merging.search.measure import SetMeasure
from merging.search.plan import SweepPlan
from merging.search.sweep import SweepResult, sweep
from merging.sets import open_set
from scripts.figures import Figure, Report

SET = "gentle"
POINTS = 21
CACHE = 1 << 30
WHOLE, FIRST, FURTHER, CANCEL = 15.0, 1.0, 1.2, 0.5  # targets: s, s, x, s


class Timed(SetMeasure):
    """Notes how long each evaluation takes."""

    def __init__(self, items: int, reuse: bool = True) -> None:
        super().__init__(SET, items=items, cache=Intermediates(CACHE) if reuse else None)
        self.evaluations: list[float] = []

    def answers(self, outcome: Any, half: str, report: Told) -> Any:
        begin = time.perf_counter()
        found = super().answers(outcome, half, report)
        if half == "tuning":
            self.evaluations.append(time.perf_counter() - begin)
        return found


def quiet(fraction: float, message: str) -> None:
    """Tell nobody."""


def one_sweep(recipe: Recipe, axis: Axis, items: int, reuse: bool = True) -> dict[str, float]:
    """Return seconds to the first partial result, the last point and the end, and the ratio."""
    measure, seen = Timed(items, reuse), []
    begin = time.perf_counter()

    def on_point(state: SweepResult) -> None:
        seen.append((time.perf_counter() - begin, len(state.points)))

    found = sweep(SweepPlan(recipe, (axis,)), quiet, measure=measure, on_point=on_point)
    total = time.perf_counter() - begin
    assert found.ended == "complete" and not any(p.error for p in found.points)
    when = [next(t for t, count in seen if count == n) for n in range(1, len(found.points) + 1)]
    further = median([b - a for a, b in pairwise(when[1:])])
    evaluation = median(measure.evaluations[2:])
    return {
        "first": when[0], "last": when[-1], "total": total,
        "further": further, "evaluation": evaluation, "ratio": further / evaluation,
    }  # fmt: skip


def cancelled(recipe: Recipe, axis: Axis, items: int, after: float) -> float:
    """Return how long a sweep goes on after somebody cancelled it."""
    begin = time.perf_counter()

    def report(fraction: float, message: str) -> None:
        if time.perf_counter() - begin > after:
            raise Cancelled("stop")

    found = sweep(SweepPlan(recipe, (axis,)), report, measure=Timed(items))
    assert found.ended == "cancelled"
    return time.perf_counter() - begin - after


def figures(report: Report, turns: int, items: int) -> None:
    """Measure everything and show it."""
    experts = tuple(open_set(SET).experts)
    recipes = {m: make_recipe(m, experts, set=SET) for m in ("ties", "task_arithmetic", "dare")}
    for recipe in recipes.values():
        Timed(items).score(recipe, "tuning", quiet)  # warm
    sweeps = [(f"{m}, λ", r, parameter_axis(r, "scale", count=POINTS)) for m, r in recipes.items()]
    ties = recipes["ties"]
    sweeps.append(("ties, a weight", ties, weight_axis(ties, experts[0], count=POINTS)))
    for name, recipe, axis in sweeps:
        runs = [one_sweep(recipe, axis, items) for _ in range(turns)]
        mid = {key: median([run[key] for run in runs]) for key in runs[0]}
        report.add(f"{name}: {POINTS} points, to the last", mid["last"], "s", WHOLE)
        report.add(f"{name}: with the chosen one on the other half", mid["total"], "s")
        report.add(f"{name}: first partial result", mid["first"], "s", FIRST)
        note = f"{1e3 * mid['further']:.0f} ms, evaluation {1e3 * mid['evaluation']:.0f} ms"
        ratio = round(mid["ratio"], 3)
        report.show(Figure(f"{name}: a further point / evaluation", ratio, "x", FURTHER, note=note))
    axis = sweeps[0][2]
    without = one_sweep(ties, axis, items, reuse=False)["ratio"]
    report.show(Figure("ties, λ: a further point / evaluation, no reuse", round(without, 3), "x"))
    stops = [cancelled(ties, axis, items, after) for after in (0.05, 0.3, 0.7, 1.1, 1.6, 2.2)]
    report.add("cancel, the longest of six", max(stops), "s", CANCEL)
    begin = time.perf_counter()
    found = attribute(ties, quiet, measure=Timed(items), budget_seconds=300)
    spent = time.perf_counter() - begin
    report.add(f"attribution, {len(found.effects)} blocks, each", spent / len(found.effects), "s")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench_sweep", description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--items", type=int, default=200, help="of each task")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(arguments)
    one_thread()
    report = Report()
    figures(report, options.turns, options.items)
    report.write(options.json)
    return 0 if report.reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
