"""Time previews, merges and scoring of the bundled sets, in process.

Medians of ``--repeat`` runs, one thread as in the server's worker. What was tried for the preview
of TIES over 0.8 M x 5 weights (one thread, idle), from slow to fast: torch.where in the disjoint
merge and float signs 43 ms; products with masks, int8 signs for the counts, then a survey of tied
votes 38 to 48 ms. Converting between floats and masks cost most of it: zeroing by ``hardshrink``
and ``relu``, trimming once for survey, counts and merge, and working by bucket instead of by
tensor (seventy small tensors hold the interpreter for 10 ms) left 16 ms in the run that gave 48.
Before that, two Python threads did not help (44 ms), nor two torch threads (61 ms in the server).
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from merging.engine import make_plan, run
from merging.evaluation import score, vision_model
from merging.experiment import merge_and_evaluate
from merging.methods.masks import hash_bits
from merging.recipe import Recipe, make_recipe
from merging.sets import open_set, sketch, tasks
from merging.sketch import preview
from scripts.figures import Report


def median_seconds(work: Callable[[], object], repeat: int) -> float:
    """Return the median wall time of some work, after one unmeasured run."""
    work()
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def recipes(name: str) -> dict[str, Recipe]:
    """Return one recipe per method."""
    experts = tuple(open_set(name).experts)
    chosen = {"linear": {}, "task_arithmetic": {}, "ties": {}, "dare": {}, "dare_ties": {}}
    return {m: make_recipe(m, experts, set=name, params=p) for m, p in chosen.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = Report()
    held, opened = sketch("gentle"), open_set("gentle")
    for name, recipe in recipes("gentle").items():
        seconds = median_seconds(lambda recipe=recipe: preview(held, recipe), options.repeat)
        report.add(f"preview {name}", 1e3 * seconds, "ms")
    for name, recipe in recipes("gentle").items():
        plan = make_plan(recipe, opened.base, opened.experts)
        seconds = median_seconds(lambda plan=plan: run(plan, device="cpu"), options.repeat)
        report.add(f"merge {name}", 1e3 * seconds, "ms")
    base = {n: opened.base.load(n) for n in opened.base.tensors()}
    model, half = vision_model(opened.base.config(), base), tasks("gentle", "reporting")
    report.add("score all tasks", 1e3 * median_seconds(lambda: score(model, half), 3), "ms")
    ties = recipes("gentle")["ties"]
    whole = median_seconds(lambda: merge_and_evaluate(ties, device="cpu"), options.repeat)
    report.add("merge and evaluate, TIES, all tasks", whole, "s", 3.0)
    count = 4_000_000
    bits = median_seconds(lambda: hash_bits(0, "t", "e", 0, count), options.repeat)
    report.add("mask hash, per element", 1e9 * bits / count, "ns")
    report.write(options.json)
    return 0 if report.reached else 1


if __name__ == "__main__":
    sys.exit(main())
