"""A held-out guard: how far λ may go before tasks that nobody merged for get clearly worse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merging.errors import EvaluationError, ParameterError
from merging.evaluation import Estimate, compare
from merging.recipe import Recipe
from merging.search.asked import known_name
from merging.search.points import Answers, Point

Drops = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Guard:
    """What a guard allows.

    Attributes:
        limit: The largest measured λ that is allowed, or None where not even the smallest is.
        stopped_at: The first λ that is not, or None where all are.
        task: The held-out task that drops most there, or "".
        drop: By how much, in shares of 1, with interval; None where all are allowed.
        again: Larger λ at which every drop is under the bound again; they are not allowed.
    """

    limit: float | None
    stopped_at: float | None = None
    task: str = ""
    drop: Estimate | None = None
    again: tuple[float, ...] = ()


def guard(curve: Sequence[tuple[float, Drops]], bound: float, cautious: bool = False) -> Guard:
    """Return the largest measured λ up to which every held-out task stays under a bound.

    The rule: go up from the smallest λ and stop before the first at which some task drops by more
    than the bound. What lies beyond is not allowed even where drops come down again (``again``
    lists it), for a curve that came back once crossed the bound on its way. Nothing is
    interpolated: the limit is a λ that was measured.

    Args:
        curve: λ and the drop of each held-out task there, in any order, each λ once.
        bound: Largest drop that is accepted, in shares of 1, at least 0.
        cautious: Hold the upper end of each drop's interval under the bound, not its value.

    Raises:
        ParameterError: The bound is negative or not finite.
        EvaluationError: The curve is empty, tells a λ twice, or one without a task.
    """
    if not 0 <= bound < float("inf"):
        raise ParameterError(f"bound is {bound:g}; it must be at least 0.")
    ordered = sorted(curve, key=lambda pair: pair[0])
    _check(ordered)

    def worst(drops: Drops) -> tuple[float, str]:
        return max((e.high if cautious else e.value, task) for task, e in sorted(drops.items()))

    fine = [worst(drops)[0] <= bound for _, drops in ordered]
    if all(fine):
        return Guard(ordered[-1][0])
    first = fine.index(False)
    at, drops = ordered[first]
    task = worst(drops)[1]
    again = tuple(ordered[i][0] for i in range(first + 1, len(fine)) if fine[i])
    return Guard(ordered[first - 1][0] if first else None, at, task, drops[task], again)


def drops(base: Answers, merged: Answers, tasks: Sequence[str]) -> dict[str, Estimate]:
    """Return by how much the accuracy of tasks drops from the base to a merge, paired by item.

    Args:
        base, merged: Which items each answers correctly.
        tasks: Held-out tasks.

    Returns:
        Accuracy of the base minus that of the merge, in shares of 1, with 95 % bootstrap interval;
        below 0 where the merge is better.

    Raises:
        EvaluationError: A task was not scored, or none is named.
    """
    if not tasks:
        raise EvaluationError("No held-out task is chosen. Choose at least one.")
    for task in tasks:
        if task not in base or task not in merged:
            raise EvaluationError(f"The held-out task {task!r} was not scored.")
    before, after = ({task: run[task] for task in tasks} for run in (base, merged))
    every = {task: np.ones(len(base[task]), dtype=np.bool_) for task in tasks}
    return {task: pair[1] for task, pair in compare(before, after, every).tasks.items()}


def curve_of(
    points: Sequence[Point], base: Answers, tasks: Sequence[str], name: str = "scale"
) -> list[tuple[float, Drops]]:
    """Return the curve of a sweep for ``guard``; failed points are not on it.

    Args:
        points: Of a sweep or walk along one parameter, on the tuning half.
        base: What the base answers on the same items.
        tasks: Held-out tasks.
        name: The parameter, one that is a number.

    Raises:
        UnknownNameError: A point's method has no such parameter.
        ParameterError: It is no number.
        EvaluationError: A task was not scored, or none is named.
    """
    done = [(p.recipe, p.correct) for p in points if p.recipe is not None and not p.error]
    return [(_value(recipe, name), drops(base, bits, tasks)) for recipe, bits in done]


def _value(recipe: Recipe, name: str) -> float:
    common = recipe.settings().common
    known_name("parameter of the points", name, common)
    value = common[name]
    if isinstance(value, bool | str):
        raise ParameterError(f"{name} is {value!r} at a point; a guard needs a number.")
    return float(value)


def _check(ordered: Sequence[tuple[float, Drops]]) -> None:
    if not ordered:
        raise EvaluationError("The guard has no point to look at. Run the sweep first.")
    places = [at for at, _ in ordered]
    if len(set(places)) < len(places):
        raise EvaluationError("The guard was told the same λ twice.")
    if not all(drops for _, drops in ordered):
        raise EvaluationError("The guard was told of no held-out task at some λ.")
