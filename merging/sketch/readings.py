"""One recipe as every dialect of its method reads it, and where these readings part."""

import math
from dataclasses import dataclass, replace

import numpy as np

from merging.analysis import Figure
from merging.errors import MergeError
from merging.recipe import Recipe
from merging.recipe.options import differing_options
from merging.sketch.answers import Reading
from merging.sketch.apart_loops import sum_apart
from merging.sketch.columns import columns_of
from merging.sketch.model import Sketch
from merging.sketch.preview import Preview, previewed
from merging.sketch.tables import Counts
from merging.sketch.threads import share_out
from merging.sketch.work import Worked, carry_out, jobs


@dataclass(frozen=True, slots=True)
class _Read:
    """A reading carried out."""

    worked: Worked
    preview: Preview


def readings(sketch: Sketch, recipe: Recipe) -> tuple[Reading, ...]:
    """Read a recipe in every dialect of its method, without touching the weights.

    What the recipe says itself stays as it is; all draw the same random masks.

    Args:
        sketch: Of the models.
        recipe: Its experts must belong to the sketch.

    Returns:
        The recipe's own dialect first, the others in the order of the method's declaration.

    Raises:
        UnknownNameError: An expert is not in the sketch.
    """
    recipe = recipe.ordered()
    own = _read(sketch, recipe)
    found = [_reading(sketch, recipe, recipe.dialect, own, own)]
    for dialect in recipe.spec.dialects:
        if dialect == recipe.dialect:
            continue
        try:
            other = replace(recipe, dialect=dialect)
        except MergeError as error:
            options = differing_options(recipe, dialect)
            found.append(Reading(dialect, options, refused=str(error)))
            continue
        same = not differing_options(recipe, dialect)
        read = own if same else _read(sketch, other)
        found.append(_reading(sketch, recipe, dialect, own, read))
    return tuple(found)


def _read(sketch: Sketch, recipe: Recipe) -> _Read:
    worked = carry_out(sketch, recipe, change=True)
    return _Read(worked, previewed(sketch, recipe, worked))


def _reading(sketch: Sketch, recipe: Recipe, dialect: str, own: _Read, read: _Read) -> Reading:
    relative, signs = _apart(sketch, own.worked, read.worked)
    slack = own.worked.slack + read.worked.slack
    return Reading(
        dialect=dialect,
        options=differing_options(recipe, dialect),
        kept=_mean([expert.kept for expert in read.preview.experts]),
        clash=read.preview.whole.share,
        length=read.preview.length,
        relative=relative,
        signs=signs,
        exact=sketch.whole and slack == 0,
    )


def _mean(figures: list[Figure]) -> Figure:
    """The mean of figures that may err together: that of their ends."""
    count = len(figures)
    value, low, high = (
        sum(getattr(f, name) for f in figures) / count for name in ("value", "low", "high")
    )
    return Figure(value, low, high, all(f.exact for f in figures), sum(f.basis for f in figures))


def _apart(sketch: Sketch, own: Worked, other: Worked) -> tuple[float | None, float | None]:
    """Relative norm of the difference of two merged changes, and share of differing signs."""
    one, two = own.merged, other.merged
    if one is None or two is None:
        return None, None
    if own is other:
        return 0.0, 0.0
    columns = columns_of(sketch, tuple(range(len(sketch.experts))))
    sums = np.zeros((len(sketch.parts), 3))
    held = columns.held

    def work(parts: Counts) -> None:
        sum_apart(one, two, parts, held.starts, held.stops, sums)

    share_out(work, jobs(columns, np.arange(len(sketch.parts))))
    scale = np.array([part.count / part.sampled for part in sketch.parts])
    length, gap, signs = (scale @ sums).tolist()
    relative = math.sqrt(gap / length) if length else math.inf if gap else 0.0
    return relative, signs / sketch.count
