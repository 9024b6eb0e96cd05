"""Figures with their 95 % intervals, from counts and sums over samples of known populations.

No tensors of models here, only sums over what was sampled.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from merging.analysis.strata import Counts, Groups, Moments, Strata, Sums, beside, numbers

FEWEST = 50
Z95 = 1.959963984540054
CUT = 2.0  # times as much as a kept share a share of pairs moves with a cut, relatively


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval.

    Attributes:
        value: The estimate, or the exact number.
        low, high: Ends of the interval; both equal ``value`` where it is exact.
        exact: Every coordinate was counted, and nothing it rests on was estimated.
        basis: How many coordinates it counts: of a conditional share those under its condition.
    """

    value: float
    low: float
    high: float
    exact: bool
    basis: int

    @property
    def too_few(self) -> bool:
        """Fewer than 50 coordinates count: the figure says nothing."""
        return self.basis < FEWEST

    def times(self, factor: float) -> "Figure":
        """Return the figure in another unit; ``factor`` is at least 0."""
        ends = (self.value * factor, self.low * factor, self.high * factor)
        return Figure(*ends, self.exact, self.basis)


@dataclass(frozen=True, slots=True)
class Shares:
    """Many figures of one kind, as arrays of one shape.

    Attributes:
        value, low, high: As of a ``Figure``; NaN where nothing counts.
        basis: How many coordinates each counts.
        exact: All were counted, and nothing they rest on was estimated.
    """

    value: Sums
    low: Sums
    high: Sums
    basis: Counts
    exact: bool

    @property
    def too_few(self) -> NDArray[np.bool_]:
        """Where fewer than 50 coordinates count: those figures say nothing."""
        return self.basis < FEWEST

    def at(self, *place: int) -> Figure | None:
        """Return one of the figures, by its index; None where nothing counts."""
        if math.isnan(self.value[place]):
            return None
        ends = (float(self.value[place]), float(self.low[place]), float(self.high[place]))
        return Figure(*ends, self.exact, int(self.basis[place]))


def share(of: Strata, hits: ArrayLike, counted: ArrayLike | None = None) -> Figure | None:
    """Estimate which share of the coordinates under a condition have a property.

    Args:
        of: The strata.
        hits: Sampled coordinates with condition and property, shape (strata,).
        counted: Sampled coordinates under the condition, shape (strata,); all by default.

    Returns:
        A share in [0, 1]; None where no sampled coordinate is under the condition.
    """
    x = None if counted is None else numbers(counted)
    return shares(of, Groups.one(len(of.counted)), numbers(hits), x).at(0)


def shares(of: Strata, groups: Groups, hits: Sums, counted: Sums | None = None) -> Shares:
    """Estimate such shares for many groups of strata at once.

    Args:
        of: The strata.
        groups: Which of them each figure is over.
        hits: As of ``share``, shape (strata, *more).
        counted: As of ``share``, shape (strata, *more).

    Returns:
        Shape (groups, *more).
    """
    x = np.broadcast_to(beside(of.counted, hits), hits.shape) if counted is None else counted
    basis = groups.add(x[groups.order]).astype(np.int64)
    return ratios(of, groups, Moments(hits, x, hits, hits, x), basis)


def ratio(
    of: Strata, sums: Moments, basis: int, low: float = 0.0, high: float = 1.0
) -> Figure | None:
    """Estimate the ratio of two totals, known to lie between ``low`` and ``high``.

    Args:
        of: The strata.
        sums: Sums over the sampled coordinates; every x is at least 0.
        basis: How many coordinates carry the figure.
        low, high: What the ratio cannot leave.

    Returns:
        The figure, as of ``ratios``; None where the total of x is 0.
    """
    groups = Groups.one(len(of.counted))
    return ratios(of, groups, sums, np.array([basis], np.int64), low, high).at(0)


def ratios(
    of: Strata, groups: Groups, sums: Moments, basis: Counts, low: float = 0.0, high: float = 1.0
) -> Shares:
    """Estimate ratios of two totals for many groups of strata at once.

    The variance is that of the linearised ratio under stratified sampling without replacement;
    the interval is Wilson's at the sample size that would have this variance, and so much wider as
    the slack of a looked-up cut may move the figure.

    Args:
        of: The strata.
        groups: Which of them each figure is over.
        sums: Sums over the sampled coordinates, shape (strata, *more); every x is at least 0.
        basis: How many coordinates carry each figure, shape (groups, *more).
        low, high: What no ratio can leave.

    Returns:
        Shape (groups, *more).

    Source:
        Cochran 1977, Sampling Techniques, sections 5.3 and 6.3 (stratified and ratio estimators);
        Korn & Graubard 1998 (effective sample size in intervals for shares).
    """
    taken, sums = of.at(groups.order), sums.at(groups.order)
    weights = beside(taken.weights, sums.y)
    total = groups.add(weights * sums.x)
    total = np.where(total > 0, total, np.nan)
    value = np.clip(groups.add(weights * sums.y) / total, low, high)
    if taken.exact or high <= low:
        return Shares(value, value, value, basis, taken.exact)
    size = _effective(taken, groups, sums, value, total, (low, high))
    ends = _wilson((value - low) / (high - low), size)
    reach = CUT * of.slack * (value - low)
    bottom, top = (low + end * (high - low) for end in ends)
    known = groups.add(taken.counted != taken.population) == 0 if of.slack == 0 else None
    bottom = np.maximum(low, np.minimum(bottom - reach, value))
    top = np.minimum(high, np.maximum(top + reach, value))
    if known is not None:
        known = beside(known, value)
        bottom, top = np.where(known, value, bottom), np.where(known, value, top)
    return Shares(value, bottom, top, basis, False)


def total(of: Strata, y: Sums, yy: Sums) -> Figure:
    """Estimate a total of numbers that are not negative.

    Args:
        of: The strata.
        y, yy: Sums of the numbers and of their squares, shape (strata,).

    Source:
        Cochran 1977, section 5.3.
    """
    value = float((of.weights * y).sum())
    basis = int(of.counted.sum())
    if of.exact:
        return Figure(value, value, value, True, basis)
    variance = float(_variance(of, Groups.one(len(y)), y, yy)[0])
    reach = Z95 * math.sqrt(variance) + CUT * of.slack * value
    return Figure(value, max(0.0, value - reach), value + reach, False, basis)


def _effective(
    of: Strata,
    groups: Groups,
    sums: Moments,
    value: Sums,
    total: Sums,
    limits: tuple[float, float],
) -> Sums:
    """Size of a simple sample with replacement that would be as accurate; inf for a whole count."""
    low, high = limits
    each = groups.spread(value)
    off = sums.y - each * sums.x
    squares = sums.yy - 2 * each * sums.xy + each**2 * sums.xx
    variance = _variance(of, groups, off, squares) / total**2
    spread = (value - low) * (high - value)
    apart = (variance > 0) & (spread > 0)
    noise = groups.add(beside(of.weights**2 * of.left, sums.xx) * sums.xx)
    with np.errstate(divide="ignore"):
        even = total**2 / np.where(noise > 0, noise, 0.0)
    found: Sums = np.where(apart, spread / np.where(apart, variance, 1.0), even)
    return found


def _variance(of: Strata, groups: Groups, y: Sums, yy: Sums) -> Sums:
    """Variance of estimated totals."""
    counted = beside(np.maximum(of.counted, 2), y)
    inside = np.maximum(yy - y**2 / counted, 0) / (counted - 1)
    found: Sums = groups.add(beside(of.population**2 * of.left, y) * inside / counted)
    return found


def _wilson(value: Sums, size: Sums) -> tuple[Sums, Sums]:
    """Wilson 1927, score interval without continuity correction."""
    shrink = 1 + Z95**2 / size
    centre = (value + Z95**2 / (2 * size)) / shrink
    half = Z95 / shrink * np.sqrt(value * (1 - value) / size + (Z95 / (2 * size)) ** 2)
    return centre - half, centre + half
