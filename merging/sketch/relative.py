"""How large the experts' changes are beside the weights they change, layer by layer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from merging.analysis.strata import Sums
from merging.checkpoints.buckets import row_order
from merging.sketch.answers import Relative
from merging.sketch.model import Sketch

MOST = 8


def relative_sizes(sketch: Sketch, experts: Sequence[str]) -> Relative:
    """Return the length of each expert's changes over that of the base's weights.

    Task vectors are measured over all weights, the base over the sampled ones.

    Args:
        sketch: Of the models.
        experts: Ids, in the order of the answer.

    Raises:
        UnknownNameError: An expert is not in the sketch.
    """
    chosen = sketch.rows(experts)

    def make() -> Relative:
        rows = tuple(sorted({part.bucket.row for part in sketch.parts}, key=row_order))
        place = np.array([rows.index(part.bucket.row) for part in sketch.parts])
        squares = sketch.dots.diagonal(dim1=1, dim2=2).numpy()[:, list(chosen)]
        moved, base = (_by_row(of, place, len(rows)) for of in (squares, _base(sketch)[:, None]))
        ratio = np.sqrt(np.maximum(moved, 0) / np.where(base > 0, base, np.nan))
        return Relative(rows, tuple(experts), ratio, sketch.whole and not sketch.quick)

    found: Relative = sketch.memo.get(("relative", chosen), make, MOST)
    return found


def _base(sketch: Sketch) -> Sums:
    """Squared length of every tensor of the base, shape (tensors,)."""
    squares = np.square(sketch.base.numpy(), dtype=np.float64)
    starts = [part.start for part in sketch.parts]
    scale = np.array([part.count / part.sampled for part in sketch.parts])
    found: Sums = np.add.reduceat(squares, starts) * scale
    return found


def _by_row(of: Sums, place: NDArray[np.int64], rows: int) -> Sums:
    """Add tensors up: shape (tensors, *more) to (rows, *more)."""
    found = np.zeros((rows, *of.shape[1:]))
    np.add.at(found, place, of)
    return found
