"""What a recipe would do to the weights, answered in milliseconds from a sketch alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from merging.analysis import Conflict, Figure
from merging.checkpoints.buckets import Bucket
from merging.methods.kernels import trim_rank
from merging.recipe import Recipe
from merging.sketch.model import Sketch
from merging.sketch.tally import Cells, ExpertPreview, Tally
from merging.sketch.work import NO_SIGNS, Worked, carry_out

MOST_PINNED = 4


@dataclass(frozen=True, slots=True)
class BucketPreview:
    """The figures of one bucket, as in ``Preview``."""

    conflict: Conflict
    experts: tuple[ExpertPreview, ...]
    norm: Figure | None
    flips: Figure | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The answer for one recipe. Figures of what was counted whole are exact.

    Attributes:
        key: Hash of the recipe.
        cells: Conflict by layer x module.
        whole: Conflict over the whole model.
        experts: In computing order, over the whole model.
        norm: Length of the merged delta; None for methods that only a merge can tell: those on
            whole models, and those that need tensors in their shape where only samples are held.
        length: The same over the mean length of the experts' task vectors.
        flips: Share of all weights whose merged change has another direction than under the pinned
            recipe, λ aside; weights that only one of the two changes do not count as flipped. None
            without a pinned recipe, or where only a merge can tell.
        tally: What the figures of the buckets are made from.
    """

    key: str
    cells: Mapping[Bucket, Conflict]
    whole: Conflict
    experts: tuple[ExpertPreview, ...]
    norm: Figure | None = None
    length: Figure | None = None
    flips: Figure | None = None
    tally: Tally | None = field(default=None, repr=False)

    def at(self, bucket: Bucket) -> BucketPreview:
        """Return all figures of one bucket.

        Raises:
            KeyError: There is no such bucket.
        """
        conflict = self.cells[bucket]
        assert self.tally is not None
        where = self.tally.place([bucket])
        experts = self.tally.experts(where, [e.expert for e in self.experts], {})
        norm, flips = self.tally.norm(where), self.tally.flips(where)
        return BucketPreview(conflict, experts, norm, None if flips is None else flips.at(0))

    def __eq__(self, other: object) -> bool:
        """Answers are equal when all their figures over the model and all cells are."""
        if not isinstance(other, Preview):
            return NotImplemented
        names = ("key", "cells", "whole", "experts", "norm", "length", "flips")
        return all(getattr(self, n) == getattr(other, n) for n in names)

    __hash__ = None  # type: ignore[assignment]


def preview(sketch: Sketch, recipe: Recipe, pinned: Recipe | None = None) -> Preview:
    """Answer what a recipe does to the weights, without touching them.

    Args:
        sketch: Of the models.
        recipe: Its experts must belong to the sketch.
        pinned: A recipe to compare directions with.

    Raises:
        UnknownNameError: An expert is not in the sketch.
        RecipeError: A value by layer or tensor stands where the method looks at the whole model.
    """
    recipe = recipe.ordered()
    signs = _signs(sketch, pinned)
    return previewed(sketch, recipe, carry_out(sketch, recipe, signs), bool(len(signs)))


def previewed(sketch: Sketch, recipe: Recipe, worked: Worked, pinned: bool = False) -> Preview:
    """Return the preview of a recipe that was carried out.

    Args:
        sketch: Of the models.
        recipe: Ordered.
        worked: What it does on the sketch.
        pinned: Whether directions were compared with those of a pinned recipe.
    """
    tally = Tally(sketch, recipe, worked, pinned)
    ids, everywhere = [e.id for e in recipe.experts], tally.everywhere
    norm, flips = tally.norm(everywhere), tally.flips(everywhere)
    mean = float(sketch.norms()[list(tally.rows)].mean())
    return Preview(
        key=recipe.key(),
        cells=Cells(tally),
        whole=tally.conflict(everywhere),
        experts=tally.experts(everywhere, ids, _cuts(sketch, recipe)),
        norm=norm,
        length=None if norm is None else norm.times(1 / mean if mean else 0.0),
        flips=None if flips is None else flips.at(0),
        tally=tally,
    )


def _signs(sketch: Sketch, pinned: Recipe | None) -> NDArray[np.int8]:
    """Directions of the pinned recipe's merged delta, kept for the latest; empty if unknown."""
    if pinned is None:
        return NO_SIGNS
    recipe = pinned.ordered()

    def make() -> NDArray[np.int8]:
        change = carry_out(sketch, recipe, change=True).change
        return np.sign(change, out=change).astype(np.int8)

    found: NDArray[np.int8] = sketch.memo.get(("pinned", recipe.key()), make, MOST_PINNED)
    return found


def _cuts(sketch: Sketch, recipe: Recipe) -> dict[str, float]:
    """Size of each expert's global cut, where the recipe has one."""
    settings = recipe.settings()
    if recipe.spec.sparsify is not None or settings.common.get("trim_scope") != "global":
        return {}
    cuts = {}
    for expert, density in zip(recipe.experts, settings.each["density"], strict=True):
        dropped = trim_rank(sketch.count, density, settings.word("trim_rule"))
        (row,) = sketch.rows([expert.id])
        rank = min(dropped + 1, sketch.count)
        if dropped and sketch.whole:
            cuts[expert.id] = float(sketch.ordered(row)[rank - 1])
        elif dropped:
            kept = (sketch.count - rank + 1) / sketch.count
            cuts[expert.id] = sketch.model_table(row).size(kept)
    return cuts
