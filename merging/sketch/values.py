"""Sums of surviving and merged values by part: energy, length, who wins where signs meet."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from merging.methods.context import Settings
from merging.methods.magnitudes import SortedMagnitudes
from merging.sketch.columns import Floats

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
    elected = np.sign(merged)
    along = pull * elected
    winning = np.maximum(along, 0)
    together = winning.sum(0)
    # Both sums add the same numbers in the same order where nobody loses.
    fought = together > along.sum(0)
    together *= fought
    winning *= fought
    squares, lengths = kept * kept, merged * merged
    return Values(
        kept2=_dot("epw->pe", squares),
        kept4=_dot("epw,epw->pe", squares, squares),
        moved2=_dot("pw->p", lengths),
        moved4=_dot("pw,pw->p", lengths, lengths),
        won=_dot("epw->pe", winning),
        won2=_dot("epw,epw->pe", winning, winning),
        won_all=_dot("epw,pw->pe", winning, together),
        all2=_dot("pw,pw->p", together, together),
        fought=np.count_nonzero(fought, axis=1).astype(np.float64),
        merged=merged.ravel(),
    )


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


def _dot(how: str, *arrays: Floats) -> Table:
    found: Table = np.einsum(how, *arrays).astype(np.float64)
    return found
