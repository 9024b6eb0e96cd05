"""Tables of |delta| by kept share, and the order statistics that trims look up in them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from merging.methods.selection import larger

Shares = NDArray[np.float64]

FINEST = 1e-4
STEP = 1.02
_POINTS = int(np.ceil(np.log(1 / FINEST) / np.log(STEP)))
# Ascending: the largest change of all, then shares from 1e-4 to 1 in steps of at most 2 %.
SHARES: Shares = np.concatenate([[0.0], FINEST ** (np.arange(_POINTS, -1, -1) / _POINTS)])
SHARES.setflags(write=False)


@dataclass(frozen=True, slots=True)
class QuantileTable:
    """Sizes of an expert's changes at the kept shares ``SHARES``.

    A size that many changes have covers a range of shares. At each point the table holds both
    ends of that range, so that such ties are read back exactly; between points it interpolates.

    Attributes:
        values: Largest size that at least the point's share of all changes reach, falling.
        at_least: Share of changes of at least that size.
        above: Share of changes that are larger.
    """

    values: NDArray[np.float32]
    at_least: NDArray[np.float32]
    above: NDArray[np.float32]

    def size(self, share: float) -> float:
        """Return the size at which a share of the changes, in [0, 1], is kept."""
        levels = np.stack([self.values, self.at_least, self.above])
        return float(look_up(levels[None], np.array([share])).size[0])

    def slack(self, share: float) -> float:
        """Return the largest relative error of the kept share; 0 where it is known."""
        levels = np.stack([self.values, self.at_least, self.above])
        return float(look_up(levels[None], np.array([share])).slack[0])


@dataclass(frozen=True, slots=True)
class Found:
    """Sizes looked up in several tables, each of shape (tables,).

    Attributes:
        size: The size at which the share is kept.
        at_least, above: Shares of changes of at least this size and of those that are larger;
            both equal to the share asked for where the size was interpolated.
        slack: Largest relative error of the kept share, 0 where it is known.
    """

    size: Shares
    at_least: Shares
    above: Shares
    slack: Shares


def look_up(levels: NDArray[np.float32], shares: Shares) -> Found:
    """Look up the sizes at which shares of changes are kept.

    Args:
        levels: Shape (tables, 3, points): values, shares at least and above, as in
            ``QuantileTable``.
        shares: In [0, 1], shape (tables,).
    """
    table = np.arange(len(shares))
    right = np.minimum(np.searchsorted(SHARES, shares), len(SHARES) - 1)
    left = np.maximum(right - 1, 0)
    (large, begin, over), (small, reached, end) = (
        levels[table, :, at].astype(np.float64).T for at in (left, right)
    )
    gap = end - begin
    where = np.clip((shares - begin) / np.where(gap > 0, gap, 1), 0, 1)
    size, slack = large + where * (small - large), np.maximum(gap, 0) / np.maximum(shares, FINEST)
    slack = np.where(SHARES[right] == shares, 0, slack)
    at_least = above = shares
    for value, low, high in ((small, end, reached), (large, over, begin)):
        tied = (low < shares) & (shares <= high)
        size, slack = np.where(tied, value, size), np.where(tied, 0, slack)
        at_least, above = np.where(tied, high, at_least), np.where(tied, low, above)
    return Found(size, at_least, above, slack)


def exact_table(ordered: NDArray[np.float32]) -> QuantileTable:
    """Tabulate sizes that are all known.

    Args:
        ordered: Ascending, shape (elements,), at least one.
    """
    count = len(ordered)
    ranks = np.maximum(np.ceil(SHARES * count - 1e-6).astype(np.int64), 1)
    values = ordered[count - np.minimum(ranks, count)]
    at_least = (count - np.searchsorted(ordered, values, "left")) / count
    above = (count - np.searchsorted(ordered, values, "right")) / count
    return QuantileTable(values, at_least.astype(np.float32), above.astype(np.float32))


@dataclass(frozen=True, slots=True)
class TableMagnitudes:
    """Order statistics read from tables; see ``merging.methods.context.Magnitudes``.

    Attributes:
        tables: One per expert.
        count: Number of elements that ranks count in.
        stack: What is held of the tensor, in which ties are counted; None for a whole model.
    """

    tables: tuple[QuantileTable, ...]
    count: int
    stack: Tensor | None = None

    def kth_smallest(self, expert: int, k: int) -> float:
        """Return the k-th smallest |delta| of an expert, k from 1 to ``count``."""
        return self.tables[expert].size((self.count - k + 1) / self.count)

    def spare(self, expert: int, threshold: float, kept: int) -> int | None:
        """Return how many entries of size ``threshold`` stay; see ``Magnitudes``."""
        assert self.stack is not None  # a trim over the model keeps all ties or none
        return max(0, kept - larger(self.stack[expert], threshold))


@dataclass(frozen=True, slots=True)
class WeighedMagnitudes:
    """Order statistics of a model from a sample whose columns stand for several elements each.

    Attributes:
        sizes: |delta| at the sampled columns, shape (experts, columns).
        weights: How many elements each column stands for, shape (columns,), float64.
        count: Number of elements of the model.
        known: What was asked for already, as every tensor asks the same.
    """

    sizes: Tensor
    weights: Tensor
    count: int
    known: dict[tuple[int, int], float] = field(default_factory=dict)

    def kth_smallest(self, expert: int, k: int) -> float:
        """Return the k-th smallest |delta| of an expert, k from 1 to ``count``."""
        if (expert, k) not in self.known:
            self.known[expert, k] = self._found(expert, k)
        return self.known[expert, k]

    def _found(self, expert: int, k: int) -> float:
        sizes, weights = self.sizes[expert].contiguous().numpy(), self.weights.numpy()
        if k - 0.5 <= float(weights[sizes == 0].sum()):
            return 0.0
        # Sizes are ordered as their bit patterns: only those that share the first bits are sorted.
        bins = sizes.view(np.int32) >> 16
        reached = np.bincount(bins, weights).cumsum()
        place = min(int(np.searchsorted(reached, k - 0.5)), int(bins.max()))
        inside = np.flatnonzero(bins == place)
        inside = inside[np.argsort(sizes[inside], kind="stable")]
        before = float(reached[place - 1]) if place else 0.0
        at = int(np.searchsorted(before + weights[inside].cumsum(), k - 0.5))
        return float(sizes[inside[min(at, len(inside) - 1)]])

    def spare(self, expert: int, threshold: float, kept: int) -> int | None:
        """Refuse: ties are counted within one tensor only."""
        raise ValueError("a trim over the model keeps all ties or none")
