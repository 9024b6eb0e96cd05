"""What the page waits for on the bundled sets: previews, merges, scoring; one thread, as there.

Before the sketch, the preview of TIES over 0.8 M x 5 weights (one thread, idle) went from slow to
fast like this: torch.where in the disjoint merge and float signs 43 ms; products with masks, int8
signs for the counts, then a survey of tied votes 38 to 48 ms. Converting between floats and masks
cost most of it: zeroing by ``hardshrink`` and ``relu``, trimming once for survey, counts and merge,
and working by bucket instead of by tensor (seventy small tensors hold the interpreter for 10 ms)
left 16 ms in the run that gave 48. Before that, two Python threads did not help (44 ms), nor two
torch threads (61 ms in the server).
"""

import time
from collections.abc import Callable, Iterator

import torch

from merging.engine import make_plan, run
from merging.evaluation import score, vision_model
from merging.experiment import merge_and_evaluate
from merging.methods.masks import hash_bits
from merging.recipe import Recipe, make_recipe
from merging.sets import open_set, sketch, tasks
from merging.sketch import preview
from scripts.bench_work import Bench, median
from scripts.figures import Figure

METHODS = ("linear", "task_arithmetic", "ties", "dare", "dare_ties")
SET = "gentle"
HASHED = 4_000_000


def rows(bench: Bench) -> Iterator[Figure]:
    """Yield times of previews, merges and scores of a bundled set."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from _rows(bench)
    finally:
        torch.set_num_threads(threads)


def _rows(bench: Bench) -> Iterator[Figure]:
    opened, held = open_set(SET), sketch(SET)
    recipes = {m: make_recipe(m, tuple(opened.experts), set=SET) for m in METHODS}
    for name, recipe in recipes.items():
        yield _timed(f"{SET}, preview {name}", bench, lambda r=recipe: preview(held, r))
    for name, recipe in recipes.items():
        plan = make_plan(recipe, opened.base, opened.experts)
        yield _timed(f"{SET}, merge {name}", bench, lambda p=plan: run(p, device="cpu"))
    base = {n: opened.base.load(n) for n in opened.base.tensors()}
    model, half = vision_model(opened.base.config(), base), tasks(SET, "reporting")
    yield _timed(f"{SET}, score all tasks", bench, lambda: score(model, half))
    yield _experiment(bench, recipes["ties"])
    bits = 1e9 * _median(bench, lambda: hash_bits(0, "t", "e", 0, HASHED)) / HASHED
    yield Figure("mask hash, per element", round(bits, 2), "ns")


def _experiment(bench: Bench, recipe: Recipe) -> Figure:
    whole = _median(bench, lambda: merge_and_evaluate(recipe, device="cpu"))
    return Figure(f"{SET}, merge and evaluate, TIES, all tasks", round(whole, 2), "s", 3.0)


def _timed(name: str, bench: Bench, work: Callable[[], object]) -> Figure:
    return Figure(name, round(1e3 * _median(bench, work), 2), "ms")


def _median(bench: Bench, work: Callable[[], object]) -> float:
    """Return the median wall time of some work, after one unmeasured run where it is repeated."""
    if bench.repeats > 1:
        work()
    times = []
    for _ in range(bench.repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return median(times) or 0.0
