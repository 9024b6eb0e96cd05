"""Figures with their 95 % intervals, from counts and sums over samples of known populations.

Strata are sampled without replacement, each on its own; one that was counted whole adds no error.
No tensors of models here, only sums over what was sampled.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST = 50
Z95 = 1.959963984540054
CUT = 2.0  # times as much as a kept share a share of pairs moves with a cut, relatively

Sums = NDArray[np.float64]
Counts = NDArray[np.int64]


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


@dataclass(frozen=True, slots=True)
class Strata:
    """How much of each stratum was counted.

    Attributes:
        counted: Coordinates sampled, shape (strata,).
        population: Coordinates there are, shape (strata,).
        slack: Largest relative error of a kept share that comes from a cut that was looked up
            rather than known, 0 where every cut is known. It widens the figures of what was
            counted whole; where there is sampling its part is small beside that.
    """

    counted: Sums
    population: Sums
    slack: float = 0.0

    @property
    def weights(self) -> Sums:
        """How many coordinates one that was sampled stands for, shape (strata,)."""
        found: Sums = self.population / np.maximum(self.counted, 1)
        return found

    @property
    def left(self) -> Sums:
        """Share of each stratum that was not counted, shape (strata,)."""
        found: Sums = 1 - self.counted / np.maximum(self.population, 1)
        return found

    @property
    def exact(self) -> bool:
        """Everything was counted, under known cuts."""
        return self.slack == 0 and bool((self.counted == self.population).all())


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums of y, x and their products over what was sampled, each of shape (strata,)."""

    y: Sums
    x: Sums
    yy: Sums
    xy: Sums
    xx: Sums


def strata(counted: ArrayLike, population: ArrayLike, slack: float = 0.0) -> Strata:
    """Build strata from plain numbers, shape (strata,)."""
    return Strata(_numbers(counted), _numbers(population), slack)


def share(of: Strata, hits: ArrayLike, counted: ArrayLike | None = None) -> Figure | None:
    """Estimate which share of the coordinates under a condition have a property.

    Args:
        of: The strata.
        hits: Sampled coordinates with condition and property, shape (strata,).
        counted: Sampled coordinates under the condition, shape (strata,); all by default.

    Returns:
        A share in [0, 1]; None where no sampled coordinate is under the condition.
    """
    y = _numbers(hits)
    x = of.counted if counted is None else _numbers(counted)
    return ratio(of, Moments(y, x, y, y, x), int(x.sum()))


def ratio(
    of: Strata, sums: Moments, basis: int, low: float = 0.0, high: float = 1.0
) -> Figure | None:
    """Estimate the ratio of two totals, known to lie between ``low`` and ``high``.

    The variance is that of the linearised ratio under stratified sampling without replacement;
    the interval is Wilson's at the sample size that would have this variance, and so much wider as
    the slack of a looked-up cut may move the figure.

    Args:
        of: The strata.
        sums: Sums over the sampled coordinates; every x is at least 0.
        basis: How many coordinates carry the figure.
        low, high: What the ratio cannot leave.

    Returns:
        The figure; None where the total of x is 0.

    Source:
        Cochran 1977, Sampling Techniques, sections 5.3 and 6.3 (stratified and ratio estimators);
        Korn & Graubard 1998 (effective sample size in intervals for shares).
    """
    weights = of.weights
    total = float((weights * sums.x).sum())
    if total <= 0:
        return None
    value = min(high, max(low, float((weights * sums.y).sum()) / total))
    if of.exact or high <= low:
        return Figure(value, value, value, of.exact, basis)
    size = _effective(of, sums, value, total, (low, high))
    ends = _wilson((value - low) / (high - low), size)
    reach = CUT * of.slack * (value - low)
    bottom, top = (low + end * (high - low) for end in ends)
    bottom, top = max(low, min(bottom - reach, value)), min(high, max(top + reach, value))
    return Figure(value, bottom, top, False, basis)


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
    reach = Z95 * math.sqrt(_variance(of, y, yy)) + CUT * of.slack * value
    return Figure(value, max(0.0, value - reach), value + reach, False, basis)


def _effective(
    of: Strata, sums: Moments, value: float, total: float, limits: tuple[float, float]
) -> float:
    """Size of a simple sample with replacement that would be as accurate; inf for a whole count."""
    low, high = limits
    off = sums.y - value * sums.x
    squares = sums.yy - 2 * value * sums.xy + value**2 * sums.xx
    variance = _variance(of, off, squares) / total**2
    spread = (value - low) * (high - value)
    if variance > 0 and spread > 0:
        return spread / variance
    noise = float((of.weights**2 * sums.xx * of.left).sum())
    return total**2 / noise if noise > 0 else math.inf


def _variance(of: Strata, y: Sums, yy: Sums) -> float:
    """Variance of an estimated total."""
    counted = np.maximum(of.counted, 2)
    inside = np.maximum(yy - y**2 / counted, 0) / (counted - 1)
    return float((of.population**2 * of.left * inside / counted).sum())


def _wilson(value: float, size: float) -> tuple[float, float]:
    """Wilson 1927, score interval without continuity correction."""
    if math.isinf(size):
        return value, value
    shrink = 1 + Z95**2 / size
    centre = (value + Z95**2 / (2 * size)) / shrink
    half = Z95 / shrink * math.sqrt(value * (1 - value) / size + (Z95 / (2 * size)) ** 2)
    return centre - half, centre + half


def _numbers(values: ArrayLike) -> Sums:
    return np.atleast_1d(np.asarray(values, np.float64))
