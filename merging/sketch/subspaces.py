"""How many directions the experts' changes of one kind of tensor use, and how many they share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from merging.analysis.subspace import effective_rank, subspace_overlap
from merging.checkpoints.buckets import MODULES, row_order
from merging.errors import unknown
from merging.sketch.answers import Subspaces
from merging.sketch.model import Sketch
from merging.sketch.parts import Part

MOST = 16


@dataclass(frozen=True, slots=True)
class _Used:
    """Directions that one expert's change of a tensor uses: left singular vectors and rank."""

    left: Tensor
    rank: float


def kinds(sketch: Sketch) -> tuple[str, ...]:
    """Return the modules that have a two-dimensional tensor which the sketch holds whole.

    Returns:
        In the order of ``MODULES``.
    """
    there = {part.bucket.module for part in sketch.parts if _usable(part)}
    return tuple(module for module in MODULES if module in there)


def subspaces(sketch: Sketch, module: str, experts: Sequence[str]) -> Subspaces:
    """Return the effective ranks of the experts' changes of one module, and what they share.

    Of every layer the largest two-dimensional tensor counts that is held whole. Two experts are
    compared by as many leading left singular vectors as the smaller of their effective ranks says,
    rounded; an expert that changes nothing there shares nothing.

    Args:
        sketch: Of the models.
        module: One of ``kinds``.
        experts: Ids, in the order of the answer.

    Raises:
        UnknownNameError: An expert is not in the sketch, or the module is none of ``kinds``.
    """
    chosen = sketch.rows(experts)
    if module not in kinds(sketch):
        raise unknown("kind of tensor", module, kinds(sketch))

    def make() -> Subspaces:
        parts = _largest(sketch, module)
        used = [[_used(sketch, part, row) for row in chosen] for part in parts.values()]
        rank = np.array([[of.rank for of in row] for row in used])
        full = np.array([min(part.shape) for part in parts.values()], np.float64)
        overlaps, chances = zip(*(_compare(row) for row in used), strict=True)
        known = np.array(overlaps)
        count = np.maximum((~np.isnan(known)).sum(0), 1)
        overlap = np.where(np.isnan(known).all(0), np.nan, np.nansum(known, 0) / count)
        chance = [c for of in chances for c in of]
        mean = float(np.mean(chance)) if chance else float("nan")
        return Subspaces(module, tuple(parts), tuple(experts), rank, full, overlap, mean)

    found: Subspaces = sketch.memo.get(("subspaces", module, chosen), make, MOST)
    return found


def _usable(part: Part) -> bool:
    return part.whole and len(part.shape) == 2


def _largest(sketch: Sketch, module: str) -> dict[str, Part]:
    """The tensor of each layer, layers in the order data flows through them."""
    found: dict[str, Part] = {}
    for part in sorted((p for p in sketch.parts if _usable(p)), key=lambda p: p.tensor):
        bucket = part.bucket
        if bucket.module == module and part.count > getattr(found.get(bucket.row), "count", 0):
            found[bucket.row] = part
    return {row: found[row] for row in sorted(found, key=row_order)}


def _used(sketch: Sketch, part: Part, row: int) -> _Used:
    delta = sketch.deltas[row, part.start : part.stop].reshape(part.shape).double()
    left, values, _ = torch.linalg.svd(delta, full_matrices=False)
    return _Used(left, effective_rank(values))


def _compare(used: list[_Used]) -> tuple[list[list[float]], list[float]]:
    """Overlap of every two experts in one layer, NaN where one changes nothing, and by chance."""
    table = np.full((len(used), len(used)), np.nan)
    chances = []
    for i, one in enumerate(used):
        for j, other in enumerate(used[: i + 1]):
            if min(one.rank, other.rank) == 0:
                continue
            size = round(min(one.rank, other.rank))
            table[i, j] = table[j, i] = subspace_overlap(one.left[:, :size], other.left[:, :size])
            if i != j:
                chances.append(size / len(one.left))
    return table.tolist(), chances
