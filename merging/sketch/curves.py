"""How large each expert's changes in one cell are: the share that reaches each size."""

import numpy as np
from numpy.typing import NDArray

from merging.checkpoints.buckets import Bucket
from merging.sketch.model import Sketch
from merging.sketch.quantiles import look_up

POINTS = 257
MOST = 512

Curve = tuple[tuple[float, ...], tuple[float, ...]]
NO_CHANGES: Curve = ((), ())


def curve(sketch: Sketch, bucket: Bucket, row: int) -> Curve:
    """Return the sizes of an expert's changes and the share of them that is at least so large.

    Of all weights where the bucket is held whole, else from the table of its largest tensor.

    Args:
        sketch: Of the models.
        bucket: One of its buckets.
        row: Of the expert in the sketch.

    Returns:
        Sizes, rising, and shares in (0, 1], falling from 1; at most 257 of them, none where the
        expert changes nothing.
    """

    def make() -> Curve:
        parts = [sketch.parts[i] for i in sketch.parts_of(bucket)]
        if all(part.whole for part in parts):
            held = [sketch.deltas[row, p.start : p.stop].numpy() for p in parts]
            return _counted(np.abs(np.concatenate(held)))
        return _looked_up(sketch, largest(sketch, bucket), row)

    found: Curve = sketch.memo.get(("curve", bucket, row), make, MOST)
    return found


def largest(sketch: Sketch, bucket: Bucket) -> int:
    """Return the index of the part of a bucket's largest tensor, the first by name of equals."""
    parts = sketch.parts
    return min(sketch.parts_of(bucket), key=lambda i: (-parts[i].count, parts[i].tensor))


def _counted(sizes: NDArray[np.float32]) -> Curve:
    """The curve of sizes that are all known."""
    ordered = np.sort(sizes[sizes > 0])
    count = len(ordered)
    if count == 0:
        return NO_CHANGES
    ranks = np.linspace(0, count - 1, min(POINTS, count)).round().astype(np.int64)
    shown = np.unique(ordered[ranks])
    shares = (count - np.searchsorted(ordered, shown, "left")) / count
    return tuple(shown.astype(np.float64).tolist()), tuple(shares.tolist())


def _looked_up(sketch: Sketch, part: int, row: int) -> Curve:
    """The curve of a sampled tensor, whose table counts weights that nobody changed, too."""
    count, changed = sketch.parts[part].count, float(sketch.nonzero[part, row])
    if changed == 0:
        return NO_CHANGES
    table = sketch.table(sketch.parts[part], row)
    levels = np.stack([table.values, table.at_least, table.above])
    asked = np.linspace(1, 1 / changed, POINTS) * (changed / count)
    found = look_up(np.broadcast_to(levels, (POINTS, *levels.shape)), asked)
    inside = found.size > 0
    sizes, at = np.unique(found.size[inside], return_index=True)
    shares = np.minimum(found.at_least[inside][at] * (count / changed), 1)
    return tuple(sizes.tolist()), tuple(shares.tolist())
