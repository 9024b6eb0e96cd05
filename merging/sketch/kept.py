"""What a recipe leaves of every expert's sampled changes, part by part, before it merges them."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch

from merging.recipe import Recipe
from merging.sketch.by_kernels import Piece, trimmed_pieces
from merging.sketch.columns import Columns
from merging.sketch.consensus import consensus_of
from merging.sketch.loops import make
from merging.sketch.survivors import Decided, decide, everything
from merging.sketch.tables import Counts, Floats
from merging.sketch.work import tells


class Kept(Protocol):
    """What is left of the experts' changes."""

    @property
    def slack(self) -> float:
        """Largest relative error of a kept share because a cut was looked up."""
        ...

    def made(self, parts: Counts, out: Floats) -> None:
        """Write what the changes in some parts become after trim, drop and rescale.

        Args:
            parts: Indices of parts.
            out: Gets one expert after the other, shape (experts * columns of the parts,).
        """
        ...


@dataclass(frozen=True, slots=True)
class KeptByTables:
    """Decided by comparing sizes and hash bits; see ``Kept``."""

    decided: Decided

    @property
    def slack(self) -> float:
        """See ``Kept``."""
        return self.decided.slack

    def made(self, parts: Counts, out: Floats) -> None:
        """See ``Kept``."""
        make(parts, self.decided.held, self.decided.survival, out)


@dataclass(frozen=True, slots=True)
class KeptByKernels:
    """What the method's own kernels left; see ``Kept``."""

    pieces: list[Piece]
    slack: float = 0.0

    def made(self, parts: Counts, out: Floats) -> None:
        """See ``Kept``."""
        rows = [self.pieces[part].trimmed for part in parts]
        together = torch.cat([row.reshape(len(row), -1) for row in rows], 1)
        out[:] = together.reshape(-1).numpy()


def kept_of(columns: Columns, recipe: Recipe) -> KeptByTables | KeptByKernels:
    """Return what a recipe leaves; everything where only a merge can tell.

    Args:
        columns: Of the recipe's experts, in its order.
        recipe: Ordered.
    """
    how = consensus_of(columns, recipe)
    if not tells(columns.sketch, recipe, how):
        return KeptByTables(Decided(columns.held, everything(columns)))
    decided = decide(columns, recipe)
    if decided is not None:
        return KeptByTables(decided)
    with torch.inference_mode():
        return KeptByKernels(trimmed_pieces(columns, recipe))


def signs_only(kept: KeptByTables | KeptByKernels) -> KeptByTables | KeptByKernels:
    """Return the same where only signs are asked for: nothing is made up for."""
    if isinstance(kept, KeptByKernels):
        return kept
    survival = kept.decided.survival
    ones = np.ones_like(survival.factors)
    plain = survival._replace(lengths=False, factors=ones)
    return KeptByTables(replace(kept.decided, survival=plain))
