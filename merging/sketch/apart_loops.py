"""How far two merged changes are apart: compiled, one pass over both."""

import numpy as np

from merging.methods.compiled import compiled_sum
from merging.sketch.tables import Counts, Floats, Table

_ZERO = np.float32(0)


@compiled_sum
def sum_apart(
    one: Floats, two: Floats, parts: Counts, starts: Counts, stops: Counts, out: Table
) -> None:
    """Sum, over each part, what two changes have in common and what not.

    Args:
        one, two: The changes, shape (columns,).
        parts: Which ones.
        starts, stops: First column of every part and the one after its last, shape (all parts,).
        out: Gets the squared length of ``one``, that of the difference, and how often signs
            differ, shape (all parts, 3).
    """
    for part in parts:
        x, y = one[starts[part] : stops[part]], two[starts[part] : stops[part]]
        length, gap, signs = np.float64(0), np.float64(0), np.float64(0)
        for j in range(len(x)):
            a, b = np.float64(x[j]), np.float64(y[j])
            length += a * a
            gap += (b - a) * (b - a)
            up = (x[j] > _ZERO) != (y[j] > _ZERO)
            down = (x[j] < _ZERO) != (y[j] < _ZERO)
            signs += 1.0 if up | down else 0.0
        out[part, 0], out[part, 1], out[part, 2] = length, gap, signs
