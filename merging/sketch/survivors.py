"""Which deltas survive trimming and dropping by the TIES and DARE families, straight from tables.

The kernels of these methods zero values; here the same decisions are numbers to compare with. Where
ties at a threshold are kept by position, a part's columns fall into those before a place, where
ties are kept, and those after it, where they are not.
"""

from dataclasses import dataclass

import numpy as np

from merging.methods.context import Settings
from merging.methods.kernels import L1_FLOOR, trim_rank
from merging.recipe import Recipe
from merging.sketch.columns import Columns, Group
from merging.sketch.quantiles import look_up
from merging.sketch.tables import Counts, Held, Survival, Table

_HALF = 1 << 31


@dataclass(frozen=True, slots=True)
class Decided:
    """What survives of some columns.

    Attributes:
        held: The columns, with the hash bits that are looked at.
        survival: Which of their deltas survive.
        slack: Largest relative error of a kept share because a cut was looked up.
    """

    held: Held
    survival: Survival
    slack: float = 0.0


def decide(columns: Columns, recipe: Recipe) -> Decided | None:
    """Return what survives a recipe of the TIES, DARE and averaging families; None for others.

    Local values are left to the kernels.

    Args:
        columns: Of the recipe's experts, in its order.
        recipe: Ordered.
    """
    settings = recipe.settings()
    if recipe.local:
        return None
    if recipe.method == "ties":
        return _trimmed(columns, settings)
    dropped = recipe.method == "dare_ties" and all(d == 1 for d in settings.each["density"])
    if recipe.method == "dare" or dropped:
        return _dropped(columns, settings, recipe.seed)
    if recipe.spec.sparsify is None and recipe.spec.trim is None:
        return Decided(columns.held, everything(columns))
    return None


def everything(columns: Columns) -> Survival:
    """Return that all deltas survive."""
    shape = (len(columns.rows), len(columns.parts))
    level = np.zeros(shape, np.int32)
    place, factors = np.zeros(shape, np.int64), np.ones(shape, np.float32)
    return Survival(np.zeros(shape[0], np.bool_), level, level, place, factors, False, L1_FLOOR)


def _rescaled(
    survival: Survival, columns: Columns, how: str, densities: tuple[float, ...]
) -> Survival:
    """Make up for dropped entries as ``merging.methods.kernels.rescale`` does, part by part."""
    if how == "l1":
        return survival._replace(lengths=True)
    if how == "inverse":
        factors = np.array([1 / d if d > 0 else 0.0 for d in densities], np.float32)
        return survival._replace(factors=np.repeat(factors[:, None], len(columns.parts), 1))
    return survival


def _dropped(columns: Columns, settings: Settings, seed: int) -> Decided:
    """Entries dropped at random, as ``merging.methods.masks.kept`` does with the merge's bits."""
    rates = settings.each["drop_rate"]
    levels = [round(rate * (1 << 32)) - _HALF for rate in rates]
    nothing = np.float32(np.inf).view(np.int32)
    hashed = np.array([-_HALF < level < _HALF for level in levels])
    told = [0 if v <= -_HALF else nothing if v >= _HALF else v for v in levels]
    level = np.repeat(np.array(told, np.int32)[:, None], len(columns.parts), 1)
    found = everything(columns)._replace(hashed=hashed, low=level, high=level)
    held = columns.hashed(seed) if hashed.any() else columns.held
    kept = tuple(1 - rate for rate in rates)
    return Decided(held, _rescaled(found, columns, settings.word("rescale"), kept))


def _trimmed(columns: Columns, settings: Settings) -> Decided:
    """Entries below a size trimmed, as ``merging.methods.kernels.trim`` does."""
    cuts = _Cuts(columns, settings.word("trim_rule"))
    densities = settings.each["density"]
    over = cuts.over_model if settings.word("trim_scope") == "global" else cuts.by_part
    found = [over(row, density) for row, density in enumerate(densities)]
    low, high = (
        np.stack([getattr(cut, n) for cut in found]).astype(np.float32).view(np.int32)
        for n in ("low", "high")
    )
    place = np.stack([cut.place for cut in found])
    survival = everything(columns)._replace(low=low, high=high, place=place)
    how = settings.word("rescale")
    return Decided(columns.held, _rescaled(survival, columns, how, densities), cuts.slack)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where one expert is cut, by part: each of shape (parts,).

    Attributes:
        low: What is at least this large survives in the columns before ``place``.
        high: The same in the columns from ``place`` on.
        place: A column of the part.
    """

    low: Table
    high: Table
    place: Counts


class _Cuts:
    """Looks up where experts are cut, over the model or in each tensor."""

    def __init__(self, columns: Columns, rule: str) -> None:
        self._columns, self._rule, self.slack = columns, rule, 0.0

    def over_model(self, row: int, density: float) -> _Cut:
        """One cut for all parts."""
        columns, sketch = self._columns, self._columns.sketch
        dropped = trim_rank(sketch.count, density, self._rule)
        known = _edge(dropped, sketch.count)
        if known is None and sketch.whole:
            at = dropped - 1 if self._rule == "strict" else dropped
            known = float(sketch.ordered(columns.rows[row])[at])
        elif known is None:
            levels = sketch.model_levels[columns.rows[row]].numpy()[None]
            found = look_up(levels, np.array([self._share(sketch.count, dropped)]))
            known, self.slack = float(found.size[0]), max(self.slack, float(found.slack[0]))
        if self._rule == "strict" and 0 < dropped < sketch.count:
            known = float(np.nextafter(np.float32(known), np.float32(np.inf)))
        everywhere = np.full(len(columns.parts), known)
        return _Cut(everywhere, everywhere, np.zeros(len(columns.parts), np.int64))

    def _share(self, count: int, dropped: int) -> float:
        """Kept share at whose size the cut lies; ``strict`` cuts just above what it drops."""
        return (count - dropped + (self._rule == "strict")) / count

    def by_part(self, row: int, density: float) -> _Cut:
        """A cut for each part."""
        columns = self._columns
        low, high = np.zeros(len(columns.parts)), np.zeros(len(columns.parts))
        place = np.zeros(len(columns.parts), np.int64)
        sampled = [i for i, part in enumerate(columns.parts) if not part.whole]
        if sampled:
            cut = self._looked_up(row, density, sampled)
            low[sampled], high[sampled], place[sampled] = cut.low, cut.high, cut.place
        for index, group in enumerate(columns.groups):
            inside = slice(group.first, group.first + group.parts)
            cut = self._known(row, density, index, group)
            low[inside], high[inside], place[inside] = cut.low, cut.high, cut.place
        return _Cut(low, high, place)

    def _looked_up(self, row: int, density: float, sampled: list[int]) -> _Cut:
        """Cuts of sampled parts, from their tables; ties are kept in order of their index."""
        columns = self._columns
        counts = np.array([columns.parts[i].count for i in sampled])
        sizes, kind = np.unique(counts, return_inverse=True)
        ranks = [trim_rank(count, density, self._rule) for count in sizes.tolist()]
        shares = np.array([self._share(*s) for s in zip(sizes.tolist(), ranks, strict=True)])[kind]
        levels = columns.sketch.levels[:, columns.rows[row]].numpy()
        found = look_up(levels, np.clip(shares, 0, 1))
        size = found.size.astype(np.float32)
        after = np.nextafter(size, np.float32(np.inf))
        low, high = size.copy(), size.copy()
        place = np.zeros(len(sampled), np.int64)
        if self._rule == "strict":
            low = high = after
        elif self._rule in ("exact", "at_least_one"):
            inside = found.at_least - found.above
            part = np.where(inside > 0, (shares - found.above) / np.where(inside > 0, inside, 1), 1)
            # As large a part of the columns, which are in order of their index.
            high = np.where(part < 1, after, size)
            place = np.where(part < 1, np.ceil(part * columns.sampled[sampled]), 0).astype(np.int64)
        for spot, (count, gone) in enumerate(zip(sizes.tolist(), ranks, strict=True)):
            edge = _edge(gone, count)
            if edge is not None:
                same = kind == spot
                low, high = (np.where(same, edge, side) for side in (low, high))
                place = np.where(same, 0, place)
        return _Cut(low.astype(np.float64), high.astype(np.float64), place)

    def _known(self, row: int, density: float, index: int, group: Group) -> _Cut:
        """Cuts of whole parts of one size, from their ordered sizes."""
        dropped = trim_rank(group.width, density, self._rule)
        place = np.zeros(group.parts, np.int64)
        edge = _edge(dropped, group.width)
        if edge is not None:
            level = np.full(group.parts, edge)
            return _Cut(level, level, place)
        ordered = self._columns.ordered[index][row]
        size = ordered[:, dropped - 1 if self._rule == "strict" else dropped]
        after = np.nextafter(size, np.float32(np.inf))
        if self._rule == "strict":
            return _Cut(after, after, place)
        high = size.copy()
        if self._rule in ("exact", "at_least_one"):
            for at in np.flatnonzero(ordered[:, dropped - 1] == size).tolist():
                sizes = np.abs(group.view(self._columns.deltas)[row, at])
                above = group.width - int(np.searchsorted(ordered[at], size[at], "right"))
                ties = np.flatnonzero(sizes == size[at])
                place[at] = ties[group.width - dropped - above - 1] + 1
                high[at] = after[at]
        return _Cut(size, high, place)


def _edge(dropped: int, count: int) -> float | None:
    """The cut where everything or nothing is dropped; None in between."""
    if dropped == 0:
        return 0.0
    return float("inf") if dropped == count else None
