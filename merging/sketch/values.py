"""Sums of surviving and merged values by part: energy, length, who wins where signs meet."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from merging.methods.context import Settings
from merging.methods.magnitudes import SortedMagnitudes
from merging.sketch.columns import Floats
from merging.sketch.scratch import scratch

Table = NDArray[np.float64]

NOTHING = SortedMagnitudes(())


@dataclass(frozen=True, slots=True)
class Values:
    """Sums by part over its columns.

    Attributes:
        kept2, kept4: Second and fourth powers of what survives of each expert, before it is made
            up for what does not; (parts, experts).
        moved2, moved4: The same of the merged delta, (parts,).
        won, won2: Pull of each expert where it carries the elected sign and another does not, and
            its square; (parts, experts).
        won_all: Product of that with the pull of all winners, (parts, experts).
        all2: Square of the pull of all winners, (parts,).
        fought: Columns where somebody wins against somebody, (parts,).
        merged: The merged delta by column, (columns,); its sign is the elected one.
    """

    kept2: Table
    kept4: Table
    moved2: Table
    moved4: Table
    won: Table
    won2: Table
    won_all: Table
    all2: Table
    fought: Table
    merged: Floats


def sum_values(kept: Floats, pull: Floats, merged: Floats) -> Values:
    """Sum over the columns of some parts.

    Args:
        kept: What survives, shape (experts, parts, width).
        pull: The same made up and times the experts' weights.
        merged: The merged delta, shape (parts, width).
    """
    elected = torch.sign(torch.from_numpy(merged)).numpy()
    along = np.multiply(pull, elected, out=scratch("agreeing", pull.shape))
    against = add_experts(along, "against")
    won = torch.from_numpy(along).relu_().numpy()
    together = add_experts(won, "together")
    # Both sums add the same numbers in the same order where nobody loses.
    return sums_over(kept, won, together, together > against, merged)


def sums_over(
    kept: Floats, won: Floats, together: Floats, fought: NDArray[np.bool_], merged: Floats
) -> Values:
    """Sum over columns; ``won`` and ``together`` do not keep their values.

    Args:
        kept: What survives, shape (experts, parts, width).
        won: Pull of those that carry the elected sign, shape (experts, parts, width).
        together: Their sum, shape (parts, width).
        fought: Where somebody wins against somebody, shape (parts, width).
        merged: The merged delta of a positive λ, shape (parts, width).
    """
    mask: Floats = scratch("signs", fought.shape)
    mask[:] = fought
    np.multiply(together, mask, out=together)
    wins = torch.from_numpy(np.multiply(won, mask, out=won)).movedim(1, 0)
    both = torch.bmm(wins, wins.mT).double().numpy()
    squares = np.multiply(kept, kept, out=scratch("pulling", kept.shape))
    lengths = np.multiply(merged, merged, out=scratch("count", merged.shape))
    return Values(
        kept2=_squared(kept).T,
        kept4=_squared(squares).T,
        moved2=_squared(merged),
        moved4=_squared(lengths),
        won=wins.sum(-1).double().numpy(),
        won2=np.diagonal(both, axis1=1, axis2=2).copy(),
        won_all=both.sum(2),
        all2=_squared(together),
        fought=torch.from_numpy(mask).sum(-1).double().numpy(),
        merged=merged.ravel(),
    )


def add_experts(stack: Floats, name: str) -> Floats:
    """Add experts, one after another, into the array of a name.

    Args:
        stack: Shape (experts, parts, width).
        name: As in ``merging.sketch.scratch``.
    """
    total: Floats = scratch(name, stack.shape[1:])
    if len(stack) == 1:
        total[:] = stack[0]
        return total
    np.add(stack[0], stack[1], out=total)
    for row in stack[2:]:
        np.add(total, row, out=total)
    return total


def _squared(values: Floats) -> NDArray[np.float64]:
    """Squared length over the last axis."""
    found = torch.linalg.vector_norm(torch.from_numpy(values), dim=-1)
    squared: NDArray[np.float64] = found.double().square_().numpy()
    return squared


def join_values(found: Iterable[Values]) -> Values:
    """Put the parts of several runs one after another."""
    runs = list(found)
    return Values(*(np.concatenate([getattr(r, n) for r in runs]) for n in Values.__slots__))


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


def sums_of(kept: Floats, made: Floats, merged: Floats, settings: Settings, sign: int) -> Values:
    """Sum what one run gave, shapes as in ``sum_values``; at a λ of 0 nothing moves."""
    weights = settings.each["weight"]
    pull = made
    if any(w != 1 for w in weights):
        pull = made * np.array(weights, np.float32)[:, None, None]
    found = sum_values(kept, pull, -merged if sign < 0 else merged)
    if sign:
        return found
    still = np.zeros(len(found.moved2))
    return replace(found, moved2=still, moved4=still)
