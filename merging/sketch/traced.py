"""Single weights on their way through a method: trim and drop, election, merge."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.checkpoints.buckets import Bucket
from merging.methods import ties
from merging.methods.context import Context
from merging.recipe import Recipe
from merging.sketch.answers import TracedWeight
from merging.sketch.by_kernels import NOTHING, ColumnMasks, survey_of
from merging.sketch.columns import Columns
from merging.sketch.kept import KeptByKernels, KeptByTables
from merging.sketch.model import Sketch
from merging.sketch.parts import generator
from merging.sketch.spots import part_settings
from merging.sketch.tables import Counts, Floats
from merging.sketch.work import Worked

MOST = 256

Kept = KeptByTables | KeptByKernels


@dataclass(frozen=True, slots=True)
class Cell:
    """What a recipe does in one bucket.

    Attributes:
        columns: Of the recipe's experts, in computing order.
        recipe: Ordered.
        worked: What it does everywhere, with the merged delta.
        kept: What it leaves of the changes.
        parts: Indices of the bucket's parts.
        at: Its columns, shape (width,).
        made: What the changes become after trim, drop and rescale, shape (experts, width).
    """

    columns: Columns
    recipe: Recipe
    worked: Worked
    kept: Kept
    parts: Counts
    at: Counts
    made: Floats


def chosen(sketch: Sketch, bucket: Bucket, count: int) -> Counts:
    """Choose weights of a bucket to look at closely.

    The choice depends on nothing but the sketch. Weights that an expert changes are taken first.

    Returns:
        Places among the bucket's columns, ascending, at most ``count``.
    """

    def make() -> Counts:
        parts = [sketch.parts[i] for i in sketch.parts_of(bucket)]
        changed = torch.cat([(sketch.deltas[:, p.start : p.stop] != 0).any(0) for p in parts])
        source = generator(sketch.seed, f"traced {bucket.row} {bucket.module}")
        order = source.permutation(len(changed))
        first = order[np.argsort(~changed.numpy()[order], kind="stable")]
        return np.sort(first[:count])

    found: Counts = sketch.memo.get(("traced", bucket, count), make, MOST)
    return found


def trace(cell: Cell, picks: Counts, order: list[int]) -> tuple[TracedWeight, ...]:
    """Follow weights of a bucket through the recipe.

    Args:
        cell: What the recipe does there.
        picks: Places among the bucket's columns, ascending.
        order: Row of each expert in the answer.
    """
    sketch, merged = cell.columns.sketch, cell.worked.merged
    assert merged is not None
    widths = cell.columns.sampled[cell.parts]
    owners = np.repeat(cell.parts, widths)[picks]
    elected, agreeing = _votes(cell, picks, owners) or (None, None)
    found = []
    for i, (pick, owner) in enumerate(zip(picks.tolist(), owners.tolist(), strict=True)):
        part, column = sketch.parts[owner], int(cell.at[pick])
        made = cell.made[order, pick]
        index = int(sketch.index[column])
        found.append(
            TracedWeight(
                tensor=part.tensor,
                place=tuple(int(n) for n in np.unravel_index(index, part.shape)),
                base=float(sketch.base[column]),
                deltas=tuple(cell.columns.deltas[order, column].tolist()),
                kept=tuple((made != 0).tolist()),
                made=tuple(made.tolist()),
                elected=None if elected is None else int(elected[i]),
                agreeing=None if agreeing is None else tuple(agreeing[order, i].tolist()),
                merged=float(merged[column]),
            )
        )
    return tuple(found)


def _votes(
    cell: Cell, picks: Counts, owners: Counts
) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
    """Elected signs, (picks,), and who carries them, (experts, picks); None without election."""
    if ties.ELECTION not in cell.recipe.spec.params:
        return None
    made = torch.from_numpy(np.ascontiguousarray(cell.made[:, picks]))
    signs, agreeing = torch.zeros(len(picks)), torch.zeros(made.shape, dtype=torch.bool)
    for part in np.unique(owners).tolist():
        here = torch.from_numpy(owners == part)
        context = _context(cell, part)
        won = ties.elected(made[:, here], context)
        votes = ties.voters(made[:, here], context)
        signs[here] = won * (votes != 0).any(0)
        agreeing[:, here] = votes * won > 0
    return signs.long().numpy(), agreeing.numpy()


def _context(cell: Cell, part: int) -> Context:
    """What the election of a part is told."""
    sketch = cell.columns.sketch
    settings = part_settings(sketch, cell.recipe)[part]
    ids = tuple(e.id for e in cell.recipe.experts)
    survey = torch.zeros((), dtype=torch.float64)
    if settings.word("zero_sign") == "majority":
        survey = _balance(cell, part)
    tensor = sketch.parts[part].tensor
    return Context(tensor, ids, settings, ColumnMasks({}), NOTHING, survey)


def _balance(cell: Cell, part: int) -> Tensor:
    """What decides tied votes of a part: positive where plus prevails."""
    recipe, kept = cell.recipe, cell.kept
    if isinstance(kept, KeptByKernels):
        over_model = survey_of(recipe, kept.pieces)
        piece = kept.pieces[part]
        if isinstance(over_model, Tensor):
            return over_model
        return ties.balance(piece.trimmed, piece.context)
    return torch.tensor(float(cell.worked.ties[part]))
