"""Who agrees with whom: directions of whole task vectors, and signs of what a recipe keeps."""

from functools import partial

import numpy as np

from merging.analysis import Groups, Shares, Strata
from merging.analysis.figures import shares
from merging.recipe import Recipe
from merging.sketch.answers import Agreement
from merging.sketch.columns import Columns, columns_of
from merging.sketch.kept import Kept, kept_of, signs_only
from merging.sketch.model import Sketch
from merging.sketch.pair_loops import count_pairs
from merging.sketch.scratch import scratch
from merging.sketch.tables import Counts
from merging.sketch.threads import share_out

JOB = 1 << 15


def agreement(sketch: Sketch, recipe: Recipe) -> Agreement:
    """Compare every two experts of a recipe.

    Signs are those of the task vectors; weights, also negative ones, do not turn them.

    Args:
        sketch: Of the models.
        recipe: Says which changes survive; all do where only a merge can tell.

    Returns:
        Shape (experts, experts), in the recipe's order. The cosine with a task vector that is
        zero is 0; shares of signs are NaN where no coordinate is kept by both.

    Raises:
        UnknownNameError: An expert is not in the sketch.
    """
    ids, ordered = [e.id for e in recipe.experts], recipe.ordered()
    columns = columns_of(sketch, sketch.rows(e.id for e in ordered.experts))
    told = [e.id for e in ordered.experts]
    place = np.array([told.index(name) for name in ids])
    rows = list(sketch.rows(ids))
    cosine = sketch.cosines().numpy()[np.ix_(rows, rows)]
    signs = _signs(columns, ordered)
    return Agreement(tuple(ids), cosine, _picked(signs, place))


def _signs(columns: Columns, recipe: Recipe) -> Shares:
    """Shares of one sign in computing order, shape (1, experts, experts)."""
    sketch, experts = columns.sketch, len(columns.rows)
    kept = signs_only(kept_of(columns, recipe))
    shape = (len(columns.parts), experts, experts)
    both, same = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    share_out(partial(_count, columns, kept, both.reshape(-1), same.reshape(-1)), _jobs(columns))
    counted = sketch.by_bucket(columns.sampled).astype(np.float64)
    strata = Strata(counted, sketch.population, kept.slack)
    meet, agree = (sketch.by_bucket(t).astype(np.float64) for t in (both, same))
    return shares(strata, Groups.one(len(counted)), agree, meet)


def _picked(signs: Shares, place: Counts) -> Shares:
    """Shares of the only group, with experts in another order."""
    here = np.ix_(place, place)
    value, low, high = (of[0][here] for of in (signs.value, signs.low, signs.high))
    return Shares(value, low, high, signs.basis[0][here], signs.exact)


def _count(columns: Columns, kept: Kept, both: Counts, same: Counts, parts: Counts) -> None:
    """Count the pairs of some parts."""
    experts, widths = len(columns.rows), columns.sampled[parts]
    made = scratch("pairs", (experts * int(widths.sum()),))
    kept.made(parts, made)
    count_pairs(parts, widths, made, experts, both, same)


def _jobs(columns: Columns) -> list[Counts]:
    """Cut parts into jobs whose changes stay in near memory."""
    reached = columns.sampled.cumsum()
    edges = np.searchsorted(reached, np.arange(JOB, reached[-1], JOB))
    jobs = np.split(np.arange(len(columns.parts)), np.unique(edges))
    return [job for job in jobs if len(job)]
