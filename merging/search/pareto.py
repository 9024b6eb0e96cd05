"""Which points are good: the front that nothing beats, the best mean, the simplest within noise."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from merging.evaluation import compare
from merging.methods.params import Value
from merging.recipe import Recipe
from merging.search.points import Answers, Point


def front(scores: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """Return the places of rows that no other row beats: as good everywhere and better somewhere.

    Args:
        scores: Rows of the same length; higher is better. Equal rows do not beat each other.
    """
    if not len(scores):
        return ()
    table: NDArray[np.float64] = np.asarray(scores, dtype=np.float64)
    return tuple(i for i, row in enumerate(table) if not _beaten(row, table))


def _beaten(row: NDArray[np.float64], table: NDArray[np.float64]) -> bool:
    return bool(((table >= row).all(1) & (table > row).any(1)).any())


def pareto(points: Sequence[Point]) -> tuple[int, ...]:
    """Return the places of points on the front of their accuracies per task; failed ones are none.

    Args:
        points: Of one half and one set.
    """
    scored = [i for i, p in enumerate(points) if p.correct]
    rows = [[points[i].accuracy[t].value for t in sorted(points[i].accuracy)] for i in scored]
    return tuple(scored[i] for i in front(rows))


def best_mean(points: Sequence[Point]) -> int | None:
    """Return the place of the highest mean share, the simplest and then the first of equal ones."""
    judged = [(i, p.mean.value) for i, p in enumerate(points) if p.mean is not None]
    if not judged:
        return None
    top = max(value for _, value in judged)
    return min((i for i, value in judged if value == top), key=lambda i: (_simple(points[i]), i))


def simplest_within_noise(points: Sequence[Point], own: Answers) -> int | None:
    """Return the place of the simplest point that is not clearly worse than the best one.

    A point is clearly worse when the 95 % interval of its difference from the best, on the same
    items, lies below 0. Of those that are not, the one with the least ``complexity`` counts.

    Args:
        points: Of one half and one set.
        own: What each task's own expert answers on that half.
    """
    best = best_mean(points)
    if best is None:
        return None
    top = points[best].mean
    # Means whose intervals do not meet differ clearly: sd(a - b) <= sd(a) + sd(b).
    scored = [i for i, p in enumerate(points) if p.mean and top and p.mean.high >= top.low]
    for place in sorted(scored, key=lambda i: (_simple(points[i]), i)):
        if place == best or within_noise(points[place].correct, points[best].correct, own):
            return place
    return best


def within_noise(first: Answers, second: Answers, own: Answers) -> bool:
    """Return whether the first run is not clearly worse than the second, by paired bootstrap."""
    return compare(first, second, own).mean[1].high >= 0


def complexity(recipe: Recipe) -> tuple[int, int, int, float]:
    """Return how much there is to a recipe; less sorts first.

    Experts that count, then settings of the method, then settings that differ from the default of
    the method, then how far they do, in widths of their sliders. A seed is no setting.
    """
    spec, loud = recipe.spec, [e for e in recipe.experts if e.weight != 0]
    settings = recipe.settings()
    usual = spec.defaults(recipe.dialect)
    moved = []
    for param in spec.active(settings):
        values = settings.each.get(param.name, (settings.common[param.name],))
        gaps = [_gap(v, usual[param.name], param.slider) for v in values]
        moved.append(max(gaps))
    moved += [_gap(e.weight, 1.0, spec.param("weight").slider) for e in loud]
    changed = [m for m in moved if m > 0]
    return len(loud), len(spec.active(settings)), len(changed), round(sum(changed), 9)


def _gap(value: Value, usual: Value, slider: tuple[float, float]) -> float:
    if isinstance(value, str) or isinstance(usual, str | bool):
        return float(value != usual)
    return abs(value - usual) / max(slider[1] - slider[0], 1e-9)


def _simple(point: Point) -> tuple[int, int, int, float]:
    assert point.recipe is not None
    return complexity(point.recipe)
