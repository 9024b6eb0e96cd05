"""What was sampled: strata of known size, sums over their samples, and groups to tell together.

Strata are sampled without replacement, each on its own; one that was counted whole adds no error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Sums = NDArray[np.float64]
Counts = NDArray[np.int64]


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

    def at(self, order: NDArray[np.int64] | slice) -> "Strata":
        """Return some of the strata."""
        return Strata(self.counted[order], self.population[order], self.slack)

    @property
    def exact(self) -> bool:
        """Everything was counted, under known cuts."""
        return self.slack == 0 and bool((self.counted == self.population).all())


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums of y, x and their products over what was sampled, each of shape (strata, *more)."""

    y: Sums
    x: Sums
    yy: Sums
    xy: Sums
    xx: Sums

    def at(self, order: NDArray[np.int64] | slice) -> "Moments":
        """Return those of some strata."""
        return Moments(*(of[order] for of in (self.y, self.x, self.yy, self.xy, self.xx)))


@dataclass(frozen=True, slots=True)
class Groups:
    """Which strata are told together.

    Attributes:
        order: Strata, one group after the other; one may be in several.
        sizes: How many each group has, shape (groups,).
    """

    order: NDArray[np.int64] | slice
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, groups: Sequence[Sequence[int]]) -> "Groups":
        """Make it of the strata of each group."""
        sizes = np.array([len(group) for group in groups], np.int64)
        return cls(np.array([i for group in groups for i in group], np.int64), sizes)

    @classmethod
    def one(cls, strata: int) -> "Groups":
        """Return one group of all strata."""
        return cls(slice(None), np.array([strata], np.int64))

    def add(self, values: NDArray[Any]) -> NDArray[Any]:
        """Add up what lies in ``order``: shape (in order, *more) to (groups, *more)."""
        if len(self.sizes) == 1:
            return np.add.reduce(values, axis=0, keepdims=True)
        if (self.sizes == 1).all():
            return values
        found = np.zeros((len(self.sizes), *values.shape[1:]), values.dtype)
        there = self.sizes > 0
        starts = (np.cumsum(self.sizes) - self.sizes)[there]
        if len(starts):
            found[there] = np.add.reduceat(values, starts, axis=0)
        return found

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give every stratum in ``order`` the value of its group."""
        if len(self.sizes) == 1 or (self.sizes == 1).all():
            return values
        return values.repeat(self.sizes, axis=0)


def strata(counted: ArrayLike, population: ArrayLike, slack: float = 0.0) -> Strata:
    """Build strata from plain numbers, shape (strata,)."""
    return Strata(numbers(counted), numbers(population), slack)


def beside(values: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """Shape numbers by stratum, (strata,), so that they meet those of (strata, *more)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def numbers(values: ArrayLike) -> Sums:
    """Return numbers as an array of one axis or more."""
    return np.atleast_1d(np.asarray(values, np.float64))
