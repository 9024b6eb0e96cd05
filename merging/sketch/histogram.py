"""Histograms of |delta| over bit patterns: small, mergeable, and exact where types are coarse.

The bin of a size is its pattern in bfloat16. Differences of bfloat16 weights nearly always are
bfloat16 numbers themselves, so each bin holds one size and ties stay ties; sizes of finer types
are spread evenly over their bin.
"""

import numpy as np
from numpy.typing import NDArray

from merging.methods.compiled import compiled
from merging.sketch.quantiles import SHARES

Counts = NDArray[np.int64]
Sizes = NDArray[np.float64]

INFINITE = 0x7F80
# Size of every bin; the first that is no number stands for the largest.
SIZES: Sizes = np.append(
    (np.arange(INFINITE, dtype=np.uint32) << 16).view(np.float32).astype(np.float64),
    float(np.finfo(np.float32).max),
)


def tables_of(counts: Counts, coarse: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Tabulate histograms.

    Args:
        counts: Per bin, shape (rows, bins); no row is all zero.
        coarse: Each bin of a row holds one size, that of its pattern; else sizes fill their bin.
            Shape (rows,).

    Returns:
        Values, shares of at least that size and shares above it, as in ``QuantileTable``, shape
        (rows, 3, points).
    """
    levels = np.empty((len(counts), 3, len(SHARES)), np.float32)
    _tabulate(counts, coarse, SHARES, SIZES, levels)
    return levels


@compiled
def drain(counts: Counts, weight: int, into: Counts) -> None:
    """Add histograms to others, each entry counted ``weight`` times, and leave them empty.

    Args:
        counts: Per bin, shape (rows, bins).
        weight: At least 1.
        into: What they are added to, shape (rows, bins).
    """
    for row in range(len(counts)):
        own, total = counts[row], into[row]
        stop = len(own)
        while stop > 0 and own[stop - 1] == 0:
            stop -= 1
        for k in range(stop):
            total[k] += weight * own[k]
            own[k] = 0


@compiled
def _tabulate(
    counts: Counts,
    coarse: NDArray[np.bool_],
    shares: Sizes,
    sizes: Sizes,
    levels: NDArray[np.float32],
) -> None:
    for row in range(len(counts)):
        _walk(counts[row], coarse[row], shares, sizes, levels[row])


@compiled
def _walk(
    counts: Counts, coarse: bool, shares: Sizes, sizes: Sizes, levels: NDArray[np.float32]
) -> None:
    """Walk down from the largest size, past one share after another."""
    total, cell = counts.sum(), len(counts) - 1
    while counts[cell] == 0:
        cell -= 1
    above, reached = 0, counts[cell]
    for point in range(len(shares)):
        wanted = shares[point] * total
        least = int(np.ceil(wanted * (1 - 1e-12)))
        while reached < least:
            cell -= 1
            above = reached
            reached += counts[cell]
        if coarse or cell == 0:  # zero has a bin of its own
            levels[0, point] = sizes[cell]
            levels[1, point] = reached / total
            levels[2, point] = above / total
        else:
            higher = sizes[min(cell + 1, len(sizes) - 1)]
            bottom, top = (sizes[cell - 1] + sizes[cell]) / 2, (sizes[cell] + higher) / 2
            part = min(max((wanted - above) / (reached - above), 0.0), 1.0)
            levels[0, point] = top + part * (bottom - top)
            levels[1, point] = shares[point]
            levels[2, point] = shares[point]
