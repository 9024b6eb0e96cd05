"""Counts and sums of a worked recipe by bucket, and the figures that they give."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merging.analysis import Conflict, ConflictCount, Figure, Strata, ratio, share, total
from merging.analysis.figures import Moments
from merging.recipe import Recipe
from merging.sketch.columns import Columns, columns_of, pack, thin_of
from merging.sketch.model import Sketch
from merging.sketch.work import Worked

Table = NDArray[np.float64]

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

    def __init__(
        self, sketch: Sketch, recipe: Recipe, worked: Worked, pinned: NDArray[np.int8] | None
    ) -> None:
        """Add up what was worked out by part."""
        self._sketch, self._worked, self._pinned = sketch, worked, pinned
        self.rows = sketch.rows(e.id for e in recipe.experts)
        self.buckets, self.slack = sketch.buckets, worked.slack

    def conflicts(self) -> list[Conflict]:
        """Return the conflict of every bucket."""
        counted = self._worked.counted
        survivors = self._by_bucket(counted.survivors).astype(np.int64).tolist()
        contested = self._by_bucket(counted.contested).astype(np.int64).tolist()
        population = self._sketch.population.astype(np.int64).tolist()
        return [
            Conflict((ConflictCount(tuple(s), c, n),), self.slack)
            for s, c, n in zip(survivors, contested, population, strict=True)
        ]

    def experts(
        self, where: list[int], ids: list[str], cuts: Mapping[str, float]
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

    def norm(self, where: list[int]) -> Figure | None:
        """Return the length of the merged delta over some buckets."""
        values = self._worked.values
        if values is None:
            return None
        sums = (self._by_bucket(v)[where] for v in (values.moved2, values.moved4))
        found = total(self._thin(where), *sums)
        ends = (found.value**0.5, found.low**0.5, found.high**0.5)
        return Figure(*ends, found.exact, found.basis)

    def flips(self, where: list[int]) -> Figure | None:
        """Return the share of weights that change direction against the pinned recipe."""
        if self._flipped is None:
            return None
        return share(self._thin(where), self._flipped[where])

    @cached_property
    def _flipped(self) -> Table | None:
        values = self._worked.values
        if values is None or self._pinned is None:
            return None
        against = np.sign(values.merged).astype(np.int8) * self._pinned == -1
        columns = self._thin_columns
        marks = [pack(group.view(against[None])[0]) for group in columns.groups]
        parts = [np.bitwise_count(plane).sum(-1, dtype=np.int64) for plane in marks]
        return self._by_bucket(np.concatenate(parts))

    def _kept(self, where: list[int], row: int) -> Figure:
        if self._worked.dense:
            return _ALL
        changes = columns_of(self._sketch, self.rows).changes
        sums = (self._by_bucket(of[:, row])[where] for of in (self._worked.counted.kept, changes))
        return share(self._wide(where), *sums) or Figure(0.0, 0.0, 0.0, True, 0)

    def _energy(self, where: list[int], row: int) -> Figure:
        values = self._worked.values
        if self._worked.dense or values is None:
            return _ALL
        second, fourth = self._thin_columns.squares
        y, x, yy, xx = (
            self._by_bucket(of[:, row])[where]
            for of in (values.kept2, second, values.kept4, fourth)
        )
        thin = self._thin(where)
        found = ratio(thin, Moments(y, x, yy, yy, xx), int(thin.counted.sum()))
        return found or Figure(0.0, 0.0, 0.0, True, 0)

    def _won(self, where: list[int], row: int) -> Figure | None:
        values = self._worked.values
        if values is None:
            return None
        y, yy, xy = (
            self._by_bucket(of[:, row])[where] for of in (values.won, values.won2, values.won_all)
        )
        x, xx, fought = (
            self._by_bucket(of)[where] for of in (values.won.sum(1), values.all2, values.fought)
        )
        return ratio(self._thin(where), Moments(y, x, yy, xy, xx), int(fought.sum()))

    def _by_bucket(self, of: NDArray[Any]) -> Table:
        """Add parts up: (parts, ...) to (buckets, ...)."""
        found = np.zeros((len(self.buckets), *of.shape[1:]))
        np.add.at(found, self._sketch.strata, of)
        return found

    def _wide(self, where: list[int]) -> Strata:
        return self._strata(columns_of(self._sketch, self.rows), where)

    def _thin(self, where: list[int]) -> Strata:
        return self._strata(self._thin_columns, where)

    @cached_property
    def _thin_columns(self) -> Columns:
        return columns_of(thin_of(self._sketch), self.rows)

    def _strata(self, columns: Columns, where: list[int]) -> Strata:
        counted = self._by_bucket(columns.sampled)[where]
        return Strata(counted, self._sketch.population[where], self.slack)
