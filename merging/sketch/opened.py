"""One cell of the layer x module grid, looked at closely."""

import numpy as np

from merging.analysis import Figure, Groups, Strata
from merging.analysis.figures import shares
from merging.checkpoints.buckets import Bucket
from merging.recipe import Recipe
from merging.sketch.answers import CellCurve, OpenedCell
from merging.sketch.columns import columns_of
from merging.sketch.consensus import consensus_of
from merging.sketch.curves import curve, largest
from merging.sketch.kept import KeptByKernels, KeptByTables, kept_of
from merging.sketch.model import Sketch
from merging.sketch.spots import sides
from merging.sketch.tables import Counts
from merging.sketch.tally import Tally
from merging.sketch.traced import Cell, Kept, chosen, trace
from merging.sketch.work import Worked, carry_out

Five = tuple[Figure, Figure, Figure, Figure, Figure]
MOST = 2
_NONE = Figure(0.0, 0.0, 0.0, True, 0)


def open_cell(sketch: Sketch, recipe: Recipe, bucket: Bucket, count: int = 12) -> OpenedCell:
    """Look closely at what a recipe does in one bucket.

    Args:
        sketch: Of the models.
        recipe: Its experts must belong to the sketch.
        bucket: Which.
        count: How many weights to follow; fewer where there are not so many.

    Raises:
        KeyError: There is no such bucket.
        UnknownNameError: An expert is not in the sketch.
    """
    parts = sketch.parts_of(bucket)
    cell = _cell(sketch, recipe.ordered(), np.array(parts))
    ids, told = [e.id for e in recipe.experts], [e.id for e in cell.recipe.experts]
    order = [told.index(name) for name in ids]
    known = cell.worked.told
    return OpenedCell(
        bucket=bucket,
        tensors=tuple(sorted(sketch.parts[i].tensor for i in parts)),
        experts=tuple(ids),
        five=_five(cell) if known else None,
        curves=_curves(cell, bucket, order),
        traced=trace(cell, chosen(sketch, bucket, count), order) if known else (),
    )


def _cell(sketch: Sketch, recipe: Recipe, parts: Counts) -> Cell:
    """What a recipe does in some parts; what it leaves everywhere is kept for the next bucket."""
    columns = columns_of(sketch, sketch.rows(e.id for e in recipe.experts))
    key, memo = recipe.key(), sketch.memo
    kept: Kept = memo.get(("left", key), lambda: kept_of(columns, recipe), MOST)
    pieces = kept.pieces if isinstance(kept, KeptByKernels) else None
    alone = pieces is None and consensus_of(columns, recipe) is not None
    only = parts if alone else None

    def work() -> Worked:
        found = carry_out(sketch, recipe, change=True, pieces=pieces, only=only)
        return found if found.settled else carry_out(sketch, recipe, change=True)

    where = tuple(parts.tolist()) if alone else ()
    worked: Worked = memo.get(("opened", key, where), work, MOST)
    held = [np.arange(sketch.parts[i].start, sketch.parts[i].stop) for i in parts]
    at = np.concatenate(held)
    made = np.empty(len(columns.rows) * len(at), np.float32)
    kept.made(parts, made)
    return Cell(columns, recipe, worked, kept, parts, at, made.reshape(len(columns.rows), -1))


def _five(cell: Cell) -> Five:
    """Parts of all weights: agree on plus, on minus, plus wins, minus wins, nobody survives."""
    side = sides(cell.columns, cell.recipe, cell.parts.tolist())
    said = np.where(cell.made != 0, np.sign(cell.columns.deltas[:, cell.at]) * side, 0)
    up, down = (said > 0).any(0), (said < 0).any(0)
    # The merged change of a positive λ; one that cancels counts with plus.
    minus = cell.worked.change[cell.at] < 0
    hits = (up & ~down, down & ~up, up & down & ~minus, up & down & minus, ~up & ~down)
    counted = np.array([len(cell.at)], np.float64)
    population = np.array([sum(cell.columns.parts[i].count for i in cell.parts)], np.float64)
    strata = Strata(counted, population, cell.worked.slack)
    table = np.array([[hit.sum() for hit in hits]], np.float64)
    found = shares(strata, Groups.one(1), table)
    a, b, c, d, e = (found.at(0, i) or _NONE for i in range(5))
    return a, b, c, d, e


def _curves(cell: Cell, bucket: Bucket, order: list[int]) -> tuple[CellCurve, ...]:
    sketch, rows = cell.columns.sketch, cell.columns.rows
    tally = Tally(sketch, cell.recipe, cell.worked, False)
    told = [e.id for e in cell.recipe.experts]
    figures = tally.experts(tally.place([bucket]), told, {})
    part = largest(sketch, bucket)
    return tuple(
        CellCurve(
            figures[i].expert,
            *curve(sketch, bucket, rows[i]),
            _cut(cell, part, i),
            figures[i].kept,
            figures[i].energy,
        )
        for i in order
    )


def _cut(cell: Cell, part: int, row: int) -> float | None:
    """Size below which an expert's changes in a part are trimmed."""
    if not isinstance(cell.kept, KeptByTables):
        return None
    survival = cell.kept.decided.survival
    size = float(survival.low[row, part : part + 1].view(np.float32)[0])
    known = not survival.hashed[row] and 0 < size < np.inf
    return size if known else None
