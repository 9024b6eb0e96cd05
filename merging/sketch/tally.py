"""Counts and sums of a worked recipe by bucket, and the figures that they give."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from merging.analysis import Conflict, Figure, Groups, Shares, Strata, total
from merging.analysis.figures import ratios, shares
from merging.analysis.strata import Moments
from merging.checkpoints.buckets import Bucket
from merging.recipe import Recipe
from merging.sketch.columns import columns_of
from merging.sketch.model import Sketch
from merging.sketch.tables import Sums
from merging.sketch.work import Worked, in_full

_ALL = Figure(1.0, 1.0, 1.0, True, 0)
_NONE = Figure(0.0, 0.0, 0.0, True, 0)


@dataclass(frozen=True, slots=True)
class ExpertPreview:
    """One expert under a recipe.

    Attributes:
        expert: Its id.
        kept: Share of its changes (entries that are not zero) that survive, in [0, 1].
        energy: Share of the squared length of its task vector that survives (before rescaling).
        won: Its share of the pull that wins where changes of both signs meet: there every change
            pulls with its size times the expert's weight, and those that carry the sign of the
            merged change win. None where nobody meets, or only a merge can tell.
        cut: Size below which entries are trimmed over the whole model; None without such a size.
    """

    expert: str
    kept: Figure
    energy: Figure
    won: Figure | None
    cut: float | None = None


class Tally:
    """Counts and sums by bucket, and the figures they give."""

    def __init__(self, sketch: Sketch, recipe: Recipe, worked: Worked, pinned: bool) -> None:
        """Add up what was worked out by part."""
        self._sketch, self._worked, self._pinned = sketch, worked, pinned
        self._sums = Sums(*(sketch.by_bucket(table) for table in worked.sums))
        self.rows = sketch.rows(e.id for e in recipe.experts)
        self.buckets, self.slack = sketch.buckets, worked.slack

    @property
    def told(self) -> bool:
        """Whether values are known; else only a merge can tell."""
        return self._worked.told

    @cached_property
    def everywhere(self) -> Groups:
        """All buckets as one group."""
        return Groups.one(len(self.buckets))

    def place(self, *groups: Iterable[Bucket]) -> Groups:
        """Return where buckets are that are to be told together.

        Raises:
            KeyError: There is no such bucket.
        """
        place = self._sketch.place
        return Groups.of([[place[bucket] for bucket in group] for group in groups])

    def conflict(self, where: Groups) -> Conflict:
        """Return the conflict over one group of buckets."""
        survivors = self._sums.survivors[where.order].astype(np.float64)
        clashes = self._sums.contested[where.order].astype(np.float64)
        return Conflict(survivors, clashes, self._sketch.population[where.order], self.slack)

    def experts(
        self, where: Groups, ids: list[str], cuts: Mapping[str, float]
    ) -> tuple[ExpertPreview, ...]:
        """Return the figures of every expert over one group of buckets."""
        kept, energy, won = self._kept(where), self._energy(where), self.won(where)
        return tuple(
            ExpertPreview(
                name,
                _ALL if kept is None else kept.at(0, row) or _NONE,
                _ALL if energy is None else energy.at(0, row) or _NONE,
                None if won is None else won.at(0, row),
                cuts.get(name),
            )
            for row, name in enumerate(ids)
        )

    def norm(self, where: Groups) -> Figure | None:
        """Return the length of the merged delta over one group of buckets."""
        if not self.told:
            return None
        moved = (self._sums.moved2[where.order], self._sums.moved4[where.order])
        found = total(self._strata.at(where.order), *moved)
        ends = (found.value**0.5, found.low**0.5, found.high**0.5)
        return Figure(*ends, found.exact, found.basis)

    def flips(self, where: Groups) -> Shares | None:
        """Return the share of weights that change direction against the pinned recipe.

        Returns:
            Shape (groups,); None without a pinned recipe, or where only a merge can tell.
        """
        if not (self.told and self._pinned):
            return None
        return shares(self._strata, where, self._sums.flips.astype(np.float64))

    def won(self, where: Groups) -> Shares | None:
        """Return each expert's share of the pull that wins where changes of both signs meet.

        Returns:
            Shape (groups, experts), as ``ExpertPreview.won``; None where only a merge can tell.
        """
        if not self.told:
            return None
        own = self._sums
        x = np.broadcast_to(own.won.sum(1, keepdims=True), own.won.shape)
        xx = np.broadcast_to(own.all2[:, None], own.won.shape)
        fought = where.add(own.fought[where.order])
        basis = np.repeat(fought[:, None], own.won.shape[1], 1)
        moments = Moments(own.won, x, own.won2, own.won_all, xx)
        return ratios(self._strata, where, moments, basis)

    def _kept(self, where: Groups) -> Shares | None:
        """Share of changes that survive, (groups, experts); None where all do."""
        if self._worked.dense:
            return None
        kept, full = (t.kept.astype(np.float64) for t in (self._sums, self._full))
        return shares(self._strata, where, kept, full)

    def _energy(self, where: Groups) -> Shares | None:
        """Share of squared lengths that survives, (groups, experts); None where all does."""
        if self._worked.dense or not self.told:
            return None
        own, full = self._sums, self._full
        sums = Moments(own.kept2, full.kept2, own.kept4, own.kept4, full.kept4)
        basis = where.add(self._counted[where.order]).astype(np.int64)
        each = np.repeat(basis[:, None], own.kept2.shape[1], 1)
        return ratios(self._strata, where, sums, each)

    @cached_property
    def _full(self) -> Sums:
        """The sums where everything survives."""
        columns = columns_of(self._sketch, self.rows)
        return Sums(*(self._sketch.by_bucket(table) for table in in_full(columns)))

    @cached_property
    def _strata(self) -> Strata:
        return Strata(self._counted, self._sketch.population, self.slack)

    @cached_property
    def _counted(self) -> NDArray[np.float64]:
        columns = columns_of(self._sketch, self.rows)
        return self._sketch.by_bucket(columns.sampled).astype(np.float64)


class Cells(Mapping[Bucket, Conflict]):
    """The conflict of every bucket, worked out when it is asked for."""

    def __init__(self, tally: Tally) -> None:
        """Read from a tally."""
        self._tally = tally

    def __getitem__(self, bucket: Bucket) -> Conflict:
        return self._tally.conflict(self._tally.place([bucket]))

    def __iter__(self) -> Iterator[Bucket]:
        return iter(self._tally.buckets)

    def __len__(self) -> int:
        return len(self._tally.buckets)
