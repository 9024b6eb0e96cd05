"""The same merge again, in one process and without writing, after one slider moved."""

import gc
import time
from collections.abc import Iterator
from typing import Any

from merging.engine import run
from merging.engine.cache import Intermediates
from merging.recipe import Recipe
from scripts.bench_child import planned
from scripts.bench_models import Family
from scripts.bench_work import (
    DARE_TIES,
    TASK_ARITHMETIC,
    TIES,
    Bench,
    Task,
    median,
    ratio,
    save_recipe,
)
from scripts.figures import Figure

TARGET = 0.25
CACHE = 4 << 30
CHANGES = ("weight", "λ")


def rows(bench: Bench) -> Iterator[Figure]:
    """Yield the time after a weight or λ changed over that of the first run, for each method."""
    family = bench.family()
    for task in (TIES, DARE_TIES, TASK_ARITHMETIC):
        target = TARGET if task is TIES else None
        found = [_times(family, task, turn) for turn in range(bench.their_repeats)]
        first = median([times["first"] for times in found])
        for change in CHANGES:
            again = median([times.get(change) for times in found])
            yield Figure(
                f"{family.size.name} {task.name}: again after {change} changed",
                ratio(again, first),
                "x",
                target,
                note=f"{first:.2f} s, then {again:.2f} s" if again else "not there yet",
                details={"first": first, "again": again, "cache_bytes": CACHE},
            )


def _times(family: Family, task: Task, turn: int) -> dict[str, float]:
    """Return the seconds of a first run, and of one after each change, through one fresh cache.

    Every turn changes to other values, so that no result can be known already.
    """
    recipe = task.recipe(family)
    changed = recipe.patched(weights={family.experts[1]: 0.625 - 0.125 * turn})
    scaled = recipe.patched(params={"scale": 0.75 + 0.125 * turn})
    cache = {"cache": Intermediates(CACHE)}
    recipes = {"first": recipe, "weight": changed, "λ": scaled}
    return {name: _seconds(family, r, cache) for name, r in recipes.items()}


def _seconds(family: Family, recipe: Recipe, cache: dict[str, Any]) -> float:
    plan = planned(save_recipe(family, recipe))
    gc.collect()
    begin = time.perf_counter()
    run(plan, device="cpu", **cache)
    return time.perf_counter() - begin
