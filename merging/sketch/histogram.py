"""Histograms of |delta| over bit patterns: small, mergeable, and exact where types are coarse.

The bin of a size is its pattern in bfloat16. Differences of bfloat16 weights nearly always are
bfloat16 numbers themselves, so each bin holds one size and ties stay ties; sizes of finer types
are spread evenly over their bin.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.sketch.quantiles import SHARES, QuantileTable

BINS = 1 << 15

Counts = NDArray[Any]


def patterns(sizes: Tensor, out: Tensor) -> None:
    """Round sizes to bfloat16 into ``out``, whose bits are the bins; shapes as of ``sizes``."""
    out.copy_(sizes)


def count_patterns(rounded: Tensor) -> Counts:
    """Count sizes per bin.

    Args:
        rounded: bfloat16, at least 0, shape (elements,).

    Returns:
        Shape (bins,), as many as the largest size needs.
    """
    found: Counts = torch.bincount(rounded.view(torch.int16)).numpy()
    return found


def add_patterns(one: Counts, other: Counts) -> Counts:
    """Add two histograms of different length."""
    long, short = (one, other) if len(one) >= len(other) else (other, one)
    added = long.copy()
    added[: len(short)] += short
    return added


def table_of(counts: Counts, coarse: bool) -> QuantileTable:
    """Tabulate a histogram.

    Args:
        counts: Per bin, shape (bins,); not all zero.
        coarse: Each bin holds one size, that of its pattern; else sizes fill their bin.
    """
    used = np.flatnonzero(counts != 0)[::-1]
    inside = counts[used]
    reached = np.cumsum(inside)
    whole = reached[-1]
    target = SHARES * whole
    at = np.minimum(np.searchsorted(reached, target * (1 - 1e-12), "left"), len(used) - 1)
    bins, above = used[at], (reached - inside)[at] / whole
    at_least = reached[at] / whole
    values = _sizes(bins)
    if coarse:
        return _table(values, at_least, above)
    # Zero has a bin of its own; below every other lies half a step and above it too.
    spread = bins > 0
    bottom, top = _edges(bins)
    part = np.clip((target - (reached - inside)[at]) / inside[at], 0, 1)
    values = np.where(spread, top + part * (bottom - top), values)
    return _table(values, np.where(spread, SHARES, at_least), np.where(spread, SHARES, above))


def _edges(bins: NDArray[np.int64]) -> tuple[Counts, Counts]:
    lower, middle, upper = (_sizes(np.maximum(bins + step, 0)) for step in (-1, 0, 1))
    return (lower + middle) / 2, (middle + upper) / 2


def _sizes(bins: NDArray[np.int64]) -> Counts:
    found: Counts = (bins.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return found


def _table(values: Counts, at_least: Counts, above: Counts) -> QuantileTable:
    parts = (part.astype(np.float32) for part in (values, at_least, above))
    return QuantileTable(*parts)
