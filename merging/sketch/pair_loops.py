"""How often two experts' changes meet, and with one sign: compiled, every expert with every other.

Tiles stay in the processor's nearest memory while all pairs are compared.
"""

import numpy as np

from merging.methods.compiled import compiled, compiled_sum
from merging.sketch.tables import Counts, Floats

TILE = 2048
_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled_sum
def _meet(x: Floats, y: Floats) -> tuple[np.int64, np.int64]:
    """How often both are not zero, and how often they have one sign besides."""
    same, apart = _ZERO, _ZERO
    for j in range(len(x)):
        low, high = min(x[j], y[j]), max(x[j], y[j])
        same += _ONE if (low > _ZERO) | (high < _ZERO) else _ZERO
        apart += _ONE if (low < _ZERO) & (high > _ZERO) else _ZERO
    return np.int64(same + apart), np.int64(same)


@compiled
def count_pairs(
    parts: Counts, widths: Counts, made: Floats, experts: int, both: Counts, same: Counts
) -> None:
    """Count, in some parts and for every two experts, where both keep a change.

    Args:
        parts: Which ones.
        widths: Their columns, shape (parts,).
        made: What is kept, one expert after the other, shape (experts * columns of the parts,).
        experts: How many.
        both: Gets the columns that both keep, shape (all parts * experts * experts,).
        same: Gets those of one sign.
    """
    columns, reached = len(made) // experts, 0
    for i in range(len(parts)):
        place = parts[i] * experts * experts
        for at in range(0, widths[i], TILE):
            width = min(TILE, widths[i] - at)
            for e in range(experts):
                begin = e * columns + reached + at
                x = made[begin : begin + width]
                for f in range(e + 1):
                    begin = f * columns + reached + at
                    meet, agree = _meet(x, made[begin : begin + width])
                    both[place + e * experts + f] += meet
                    same[place + e * experts + f] += agree
        for e in range(experts):
            for f in range(e):
                both[place + f * experts + e] = both[place + e * experts + f]
                same[place + f * experts + e] = same[place + e * experts + f]
        reached += widths[i]
