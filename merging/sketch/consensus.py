"""How a recipe of the TIES, DARE and averaging families makes one change of what survives."""

from dataclasses import replace

import numpy as np

from merging.methods.context import Settings
from merging.methods.depth import depth_factor
from merging.recipe import Recipe
from merging.sketch.columns import Columns
from merging.sketch.loops import ADD, BY_COUNT, BY_SUM, LARGEST, MEAN, SUM, WEIGHTED_MEAN
from merging.sketch.tables import Consensus, Floats

_ELECTED = ("ties", "dare_ties")
_ADDED = ("dare", "task_arithmetic", "linear", "lines")
_ELECTIONS = {"sum": BY_SUM, "count": BY_COUNT}
_COMBINED = {"sum": SUM, "mean": MEAN, "weighted_mean": WEIGHTED_MEAN, "max": LARGEST}


def consensus_of(columns: Columns, recipe: Recipe) -> Consensus | None:
    """Return how a recipe merges, for a positive λ; None where that is left to its kernels.

    Args:
        columns: Of its experts.
        recipe: Ordered.
    """
    settings = recipe.settings()
    known = (recipe.method in _ELECTED or recipe.method in _ADDED) and not recipe.local
    if not known or (recipe.method == "linear" and not settings.flag("normalize")):
        return None
    plain = added(columns, settings)
    scale = plain.scale * _by_depth(columns, recipe, settings)
    if recipe.method in _ADDED:
        return plain._replace(scale=scale.astype(np.float32))
    return plain._replace(
        election=_ELECTIONS[settings.word("election")],
        weighted=settings.word("voters") == "weighted" or bool((plain.weights == 1).all()),
        combine=_COMBINED[settings.word("combine")],
        scale=scale.astype(np.float32),
    )


def added(columns: Columns, settings: Settings) -> Consensus:
    """Return how all that survives is added, whatever else a recipe says."""
    weights, parts = settings.each["weight"], len(columns.parts)
    divisor = sum(weights) if settings.common.get("normalize", False) else 1.0
    scale = abs(positive(settings)[0].number("scale")) if "scale" in settings.common else 1.0
    return Consensus(
        weights=np.array(weights, np.float32),
        votes=np.array(votes(settings), np.float32),
        election=ADD,
        weighted=True,
        combine=SUM,
        scale=np.full(parts, scale / (divisor or 1.0), np.float32),
        ties=np.ones(parts, np.float32),
    )


def _by_depth(columns: Columns, recipe: Recipe, settings: Settings) -> Floats:
    """How much more or less each part moves, shape (parts,)."""
    if recipe.method != "lines" and not settings.common.get("depth_scaling", False):
        return np.ones(1, np.float32)
    names = columns.sketch.names
    return np.array([depth_factor(p.tensor, names, settings) for p in columns.parts], np.float32)


def positive(settings: Settings) -> tuple[Settings, int]:
    """Return the settings with a λ that is not zero, and the sign of the real one."""
    scale = settings.common.get("scale", 1.0)
    assert isinstance(scale, float | int)
    common = {**settings.common, "scale": 1.0}
    return (settings if scale else replace(settings, common=common)), (scale > 0) - (scale < 0)


def votes(settings: Settings) -> tuple[int, ...]:
    """Return the sign with which each expert's changes meet the others': that of its weight."""
    weights = settings.each["weight"]
    if settings.common.get("voters") == "unweighted":
        return (1,) * len(weights)
    return tuple((w > 0) - (w < 0) for w in weights)
