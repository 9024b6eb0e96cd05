"""Counts and sums of a worked recipe by bucket, and the figures that they give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merging.analysis import Conflict, Figure, Strata, ratio, share, total
from merging.analysis.figures import Moments
from merging.checkpoints.buckets import Bucket
from merging.recipe import Recipe
from merging.sketch.columns import columns_of
from merging.sketch.model import Sketch
from merging.sketch.tables import Sums
from merging.sketch.work import Worked, in_full

Where = list[int] | slice

EVERYWHERE = slice(None)
_ALL = Figure(1.0, 1.0, 1.0, True, 0)


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
        self._sums = Sums(*(self._by_bucket(table) for table in worked.sums))
        self.rows = sketch.rows(e.id for e in recipe.experts)
        self.buckets, self.slack = sketch.buckets, worked.slack

    def place(self, bucket: Bucket) -> list[int]:
        """Return where a bucket is.

        Raises:
            KeyError: There is no such bucket.
        """
        return [self._sketch.place[bucket]]

    def conflict(self, where: Where) -> Conflict:
        """Return the conflict over some buckets."""
        survivors = self._sums.survivors[where].astype(np.float64)
        clashes = self._sums.contested[where].astype(np.float64)
        return Conflict(survivors, clashes, self._sketch.population[where], self.slack)

    def experts(
        self, where: Where, ids: list[str], cuts: Mapping[str, float]
    ) -> tuple[ExpertPreview, ...]:
        """Return the figures of every expert over some buckets."""
        return tuple(
            ExpertPreview(
                name,
                self._kept(where, row),
                self._energy(where, row),
                self._won(where, row),
                cuts.get(name),
            )
            for row, name in enumerate(ids)
        )

    def norm(self, where: Where) -> Figure | None:
        """Return the length of the merged delta over some buckets."""
        if not self._worked.told:
            return None
        found = total(self._strata(where), self._sums.moved2[where], self._sums.moved4[where])
        ends = (found.value**0.5, found.low**0.5, found.high**0.5)
        return Figure(*ends, found.exact, found.basis)

    def flips(self, where: Where) -> Figure | None:
        """Return the share of weights that change direction against the pinned recipe."""
        if not (self._worked.told and self._pinned):
            return None
        return share(self._strata(where), self._sums.flips[where])

    def _kept(self, where: Where, row: int) -> Figure:
        if self._worked.dense:
            return _ALL
        found = share(self._strata(where), self._sums.kept[where, row], self._full.kept[where, row])
        return found or Figure(0.0, 0.0, 0.0, True, 0)

    def _energy(self, where: Where, row: int) -> Figure:
        if self._worked.dense or not self._worked.told:
            return _ALL
        strata, own, full = self._strata(where), self._sums, self._full
        sums = (t[where, row] for t in (own.kept2, full.kept2, own.kept4, full.kept4))
        y, x, yy, xx = sums
        found = ratio(strata, Moments(y, x, yy, yy, xx), int(strata.counted.sum()))
        return found or Figure(0.0, 0.0, 0.0, True, 0)

    def _won(self, where: Where, row: int) -> Figure | None:
        if not self._worked.told:
            return None
        own = self._sums
        y, yy, xy = (t[where, row] for t in (own.won, own.won2, own.won_all))
        x, xx, fought = own.won[where].sum(1), own.all2[where], own.fought[where]
        return ratio(self._strata(where), Moments(y, x, yy, xy, xx), int(fought.sum()))

    @cached_property
    def _full(self) -> Sums:
        """The sums where everything survives."""
        columns = columns_of(self._sketch, self.rows)
        return Sums(*(self._by_bucket(table) for table in in_full(columns)))

    def _by_bucket(self, of: NDArray[Any]) -> NDArray[Any]:
        """Add parts up: (parts, ...) to (buckets, ...)."""
        found = np.zeros((len(self._sketch.buckets), *of.shape[1:]), of.dtype)
        np.add.at(found, self._sketch.strata, of)
        return found

    def _strata(self, where: Where) -> Strata:
        counted = self._counted[where]
        return Strata(counted, self._sketch.population[where], self.slack)

    @cached_property
    def _counted(self) -> NDArray[np.float64]:
        columns = columns_of(self._sketch, self.rows)
        return self._by_bucket(columns.sampled).astype(np.float64)


class Cells(Mapping[Bucket, Conflict]):
    """The conflict of every bucket, worked out when it is asked for."""

    def __init__(self, tally: Tally) -> None:
        """Read from a tally."""
        self._tally = tally

    def __getitem__(self, bucket: Bucket) -> Conflict:
        return self._tally.conflict(self._tally.place(bucket))

    def __iter__(self) -> Iterator[Bucket]:
        return iter(self._tally.buckets)

    def __len__(self) -> int:
        return len(self._tally.buckets)
