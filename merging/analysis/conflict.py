"""Sign conflict among the entries that survive, and what coin-toss signs would give there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from merging.analysis.figures import FEWEST, Figure, Shares, ratios, shares
from merging.analysis.strata import Counts, Groups, Moments, Strata, Sums


@dataclass(frozen=True, slots=True)
class ConflictCount:
    """Counts over a set of coordinates.

    Attributes:
        survivors: How many of the coordinates are kept by 0, 1, ..., n experts.
        contested: Coordinates where survivors of both signs meet.
        population: How many coordinates there are; None where all were counted.
    """

    survivors: tuple[int, ...]
    contested: int
    population: int | None = None

    @property
    def total(self) -> int:
        """Number of coordinates that were counted."""
        return sum(self.survivors)

    @property
    def shared(self) -> int:
        """Coordinates kept by two or more experts: only there signs can conflict."""
        return sum(self.survivors[2:])

    @property
    def too_few(self) -> bool:
        """Fewer than 50 coordinates count: a share of them says nothing."""
        return self.shared < FEWEST

    @property
    def share(self) -> float | None:
        """Contested share of the coordinates kept by two or more; None where there are none."""
        return self.contested / self.shared if self.shared else None

    @property
    def share_of_all(self) -> float:
        """Contested share of all coordinates."""
        return self.contested / self.total if self.total else 0.0

    @property
    def chance(self) -> float | None:
        """Share to expect if every surviving sign were a coin toss.

        The mean of 1 - 2^(1 - m) over coordinates kept by m >= 2 experts, from the masks at hand.
        """
        if not self.shared:
            return None
        return self._expected() / self.shared

    @property
    def chance_of_all(self) -> float:
        """The same mean over all coordinates, 0 where m < 2."""
        return self._expected() / self.total if self.total else 0.0

    def _expected(self) -> float:
        return sum(count * (1 - 2.0 ** (1 - m)) for m, count in enumerate(self.survivors) if m >= 2)


@dataclass(frozen=True, eq=False)
class Conflict:
    """Sign conflict in a bucket or a model, in three parts and what nobody touches.

    ``agree``, ``disjoint``, ``contested`` and ``untouched`` are shares of all coordinates and add
    up to 1. Where every coordinate was counted all figures are exact.

    Attributes:
        survivors: How many of the sampled coordinates are kept by 0, 1, ..., n experts, shape
            (strata, experts + 1): a bucket has one stratum, a model one for each of its buckets.
        clashes: Sampled coordinates where kept changes of both signs meet, shape (strata,).
        population: How many coordinates there are, shape (strata,).
        slack: Largest relative error of a kept share because a cut was looked up; 0 if known.
    """

    survivors: Sums
    clashes: Sums
    population: Sums
    slack: float = 0.0

    @classmethod
    def of(cls, counts: Sequence[ConflictCount], slack: float = 0.0) -> "Conflict":
        """Make it of the counts of each stratum."""
        survivors = np.array([c.survivors for c in counts], np.float64)
        there = [c.total if c.population is None else c.population for c in counts]
        clashes = np.array([c.contested for c in counts], np.float64)
        return cls(survivors, clashes, np.array(there, np.float64), slack)

    @property
    def counts(self) -> tuple[ConflictCount, ...]:
        """The counts of each stratum."""
        arrays = (self.survivors, self.clashes, self.population)
        rows = zip(*(a.astype(np.int64).tolist() for a in arrays), strict=True)
        return tuple(ConflictCount(tuple(s), c, n) for s, c, n in rows)

    def __eq__(self, other: object) -> bool:
        """Equal counts and slack make equal figures."""
        if not isinstance(other, Conflict):
            return NotImplemented
        return (self.counts, self.slack) == (other.counts, other.slack)

    __hash__ = None  # type: ignore[assignment]

    @property
    def agree(self) -> Figure:
        """Two or more experts keep a change there, all of one sign."""
        return self._of_all("agree")

    @property
    def disjoint(self) -> Figure:
        """Only one expert keeps a change there."""
        return self._of_all("disjoint")

    @property
    def contested(self) -> Figure:
        """Kept changes of both signs meet there."""
        return self._of_all("contested")

    @property
    def untouched(self) -> Figure:
        """No expert keeps a change there."""
        return self._of_all("untouched")

    @property
    def shared(self) -> int:
        """Counted coordinates kept by two or more experts: only there signs can conflict."""
        return int(self._shared.sum())

    @property
    def too_few(self) -> bool:
        """Fewer than 50 coordinates count: a share of them says nothing."""
        return self.shared < FEWEST

    @property
    def share(self) -> Figure | None:
        """Contested share of the coordinates kept by two or more; None where there are none."""
        return self.shares(self._together).at(0)

    @property
    def chance(self) -> Figure | None:
        """Share to expect if every surviving sign were a coin toss; None where none are shared.

        The mean of 1 - 2^(1 - m) over coordinates kept by m >= 2 experts, from the masks at hand.
        """
        return self.chances(self._together).at(0)

    def shared_by(self, groups: Groups) -> Counts:
        """Return ``shared`` for groups of strata, shape (groups,)."""
        return groups.add(self._shared[groups.order]).astype(np.int64)

    def parts(self, name: str, groups: Groups) -> Shares:
        """Return ``agree``, ``disjoint``, ``contested`` or ``untouched`` for groups of strata.

        Raises:
            KeyError: There is no such part.
        """
        return shares(self._strata, groups, self._hits(name))

    def shares(self, groups: Groups) -> Shares:
        """Return ``share`` for groups of strata."""
        return shares(self._strata, groups, self.clashes, self._shared)

    def chances(self, groups: Groups) -> Shares:
        """Return ``chance`` for groups of strata."""
        kept, x = self.survivors[:, 2:], self._shared
        tossed: Sums = 1 - 2.0 ** -np.arange(1, kept.shape[1] + 1)
        highest = float(tossed[-1]) if len(tossed) else 0.5
        y = kept @ tossed
        sums = Moments(y, x, kept @ tossed**2, y, x)
        return ratios(self._strata, groups, sums, self.shared_by(groups), 0.5, highest)

    def _hits(self, name: str) -> Sums:
        """Sampled coordinates of a part, shape (strata,)."""
        if name == "agree":
            return self._shared - self.clashes
        if name == "contested":
            return self.clashes
        column = {"disjoint": 1, "untouched": 0}[name]
        found: Sums = self.survivors[:, column : column + 1].sum(1)
        return found

    def _of_all(self, name: str) -> Figure:
        return self.parts(name, self._together).at(0) or Figure(0.0, 0.0, 0.0, True, 0)

    @cached_property
    def _shared(self) -> Sums:
        found: Sums = self.survivors[:, 2:].sum(1)
        return found

    @cached_property
    def _together(self) -> Groups:
        """All strata as one."""
        return Groups.one(len(self.population))

    @cached_property
    def _strata(self) -> Strata:
        return Strata(self.survivors.sum(1), self.population, self.slack)


def count_conflict(signs: Tensor) -> ConflictCount:
    """Count conflict over the surviving signs of one tensor.

    Args:
        signs: int8 in {-1, 0, +1}, shape (experts, elements); 0 where nothing survives.

    Returns:
        Exact counts.
    """
    experts = signs.shape[0]
    present = signs.abs().sum(0, dtype=torch.int8)
    histogram = torch.bincount(present, minlength=experts + 1)
    both = (signs.amax(0) > 0) & (signs.amin(0) < 0)
    return ConflictCount(tuple(histogram.tolist()), int(both.sum()))


def add_counts(counts: Iterable[ConflictCount]) -> ConflictCount:
    """Add the counts of several tensors that were counted whole."""
    parts = list(counts)
    survivors = tuple(sum(column) for column in zip(*(p.survivors for p in parts), strict=True))
    return ConflictCount(survivors, sum(p.contested for p in parts))
