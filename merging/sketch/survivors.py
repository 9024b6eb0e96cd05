"""Which deltas survive trimming and dropping by the TIES and DARE families, straight from tables.

The kernels of these methods zero values; here the same decisions are made as marks, which is all
that counting needs. Where ties at a threshold are kept by position, a part's columns fall into
those before a place, where ties are kept, and those after it, where they are not.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from merging.methods.context import Settings
from merging.methods.kernels import L1_FLOOR, trim_rank
from merging.recipe import Recipe
from merging.sketch.columns import Columns, Floats, Group, Run
from merging.sketch.quantiles import look_up
from merging.sketch.scratch import scratch

Marked = NDArray[np.bool_]
Table = NDArray[np.float64]

_HALF = 1 << 31


class Survival(Protocol):
    """Marks what survives, and makes up for what does not."""

    slack: float

    def marks(self, columns: Columns, run: Run) -> Marked:
        """Return True where a delta survives, shape (experts, parts, width).

        This and what ``values`` returns stays until the thread asks again.
        """
        ...

    def values(self, columns: Columns, run: Run, marks: Marked) -> tuple[Floats, Floats]:
        """Return what survives, before and after making up for what does not; shapes of marks."""
        ...


def survival(columns: Columns, recipe: Recipe) -> Survival | None:
    """Return how a recipe of the TIES and DARE families decides; None for other recipes.

    Args:
        columns: Of the recipe's experts, in its order.
        recipe: Ordered.
    """
    settings = recipe.settings()
    if recipe.method == "ties":
        return Trimmed(columns, settings)
    dropped = recipe.method == "dare_ties" and all(d == 1 for d in settings.each["density"])
    if recipe.method == "dare" or dropped:
        return Dropped(settings, recipe.seed)
    return None


def rescaled(
    kept: Floats, run: Run, columns: Columns, how: str, densities: tuple[float, ...]
) -> Floats:
    """Make up for dropped entries as ``merging.methods.kernels.rescale`` does, part by part."""
    if how == "none":
        return kept
    if how == "inverse":
        factors = np.array([1 / d if d > 0 else 0.0 for d in densities], np.float32)
        found: Floats = np.multiply(kept, factors[:, None, None], out=scratch("made", kept.shape))
        return found
    left, full = (_l1(a) for a in (kept, run.view(columns.deltas)))
    usable = (left >= L1_FLOOR) & (full >= L1_FLOOR)
    factors = np.where(usable, full / np.maximum(left, L1_FLOOR), np.float32(1))
    scaled: Floats = np.multiply(kept, factors, out=scratch("made", kept.shape))
    return scaled


def _l1(values: Floats) -> Floats:
    sizes = np.abs(values, out=scratch("made", values.shape))
    found: Floats = torch.from_numpy(sizes).sum(-1, keepdim=True).numpy()
    return found


class Dropped:
    """Entries dropped at random, as in DARE."""

    slack = 0.0

    def __init__(self, settings: Settings, seed: int) -> None:
        """Drop by these rates and seed."""
        self._rates, self._seed = settings.each["drop_rate"], seed
        self._how = settings.word("rescale")

    def marks(self, columns: Columns, run: Run) -> Marked:
        """See ``Survival``; equal to ``merging.methods.masks.kept`` of the merge's bits."""
        bits = run.view(columns.bits(self._seed))
        levels = [round(rate * (1 << 32)) - _HALF for rate in self._rates]
        lowest = np.array([min(level, _HALF - 1) for level in levels], np.int32)
        found: Marked = np.greater_equal(
            bits, lowest[:, None, None], out=scratch("marks", bits.shape, np.bool_)
        )
        for row, level in enumerate(levels):
            if level >= _HALF:
                found[row] = False
        return found

    def values(self, columns: Columns, run: Run, marks: Marked) -> tuple[Floats, Floats]:
        """See ``Survival``."""
        kept = np.multiply(run.view(columns.deltas), marks, out=scratch("kept", marks.shape))
        return kept, rescaled(kept, run, columns, self._how, tuple(1 - p for p in self._rates))


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
    place: NDArray[np.int64]


class Trimmed:
    """Entries below a size trimmed, as in TIES."""

    def __init__(self, columns: Columns, settings: Settings) -> None:
        """Look up where each expert is cut, over the model or in each tensor."""
        self._rule = settings.word("trim_rule")
        self._how, self._densities = settings.word("rescale"), settings.each["density"]
        self.slack = 0.0
        over = self._over_model if settings.word("trim_scope") == "global" else self._by_part
        cuts = [over(columns, row, density) for row, density in enumerate(self._densities)]
        self._low, self._high = (
            np.stack([getattr(cut, n) for cut in cuts]).astype(np.float32) for n in ("low", "high")
        )
        self._place = np.stack([cut.place for cut in cuts])

    def marks(self, columns: Columns, run: Run) -> Marked:
        """See ``Survival``; equal to what ``merging.methods.kernels.trim`` keeps."""
        sizes, parts = columns.sizes_of(run), run.parts
        found: Marked = np.greater_equal(
            sizes, self._high[:, parts, None], out=scratch("marks", sizes.shape, np.bool_)
        )
        low, places = self._low[:, parts], self._place[:, parts]
        apart = np.nonzero(places)
        told = (*(axis.tolist() for axis in apart), places[apart].tolist(), low[apart].tolist())
        for row, part, place, size in zip(*told, strict=True):
            np.greater_equal(sizes[row, part, :place], size, out=found[row, part, :place])
        return found

    def values(self, columns: Columns, run: Run, marks: Marked) -> tuple[Floats, Floats]:
        """See ``Survival``."""
        kept = np.multiply(run.view(columns.deltas), marks, out=scratch("kept", marks.shape))
        return kept, rescaled(kept, run, columns, self._how, self._densities)

    def _over_model(self, columns: Columns, row: int, density: float) -> _Cut:
        sketch = columns.sketch
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

    def _by_part(self, columns: Columns, row: int, density: float) -> _Cut:
        low, high = np.zeros(len(columns.parts)), np.zeros(len(columns.parts))
        place = np.zeros(len(columns.parts), np.int64)
        sampled = [i for i, part in enumerate(columns.parts) if not part.whole]
        if sampled:
            cut = self._looked_up(columns, row, density, sampled)
            low[sampled], high[sampled], place[sampled] = cut.low, cut.high, cut.place
        for index, group in enumerate(columns.groups):
            if group.whole:
                inside = slice(group.first, group.first + group.parts)
                cut = self._known(columns, row, density, index, group)
                low[inside], high[inside], place[inside] = cut.low, cut.high, cut.place
        return _Cut(low, high, place)

    def _looked_up(self, columns: Columns, row: int, density: float, sampled: list[int]) -> _Cut:
        """Cuts of sampled parts, from their tables; ties are kept in order of their index."""
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

    def _known(self, columns: Columns, row: int, density: float, index: int, group: Group) -> _Cut:
        """Cuts of whole parts of one size, from their ordered sizes."""
        dropped = trim_rank(group.width, density, self._rule)
        place = np.zeros(group.parts, np.int64)
        edge = _edge(dropped, group.width)
        if edge is not None:
            level = np.full(group.parts, edge)
            return _Cut(level, level, place)
        ordered = columns.ordered[index][row]
        size = ordered[:, dropped - 1 if self._rule == "strict" else dropped]
        after = np.nextafter(size, np.float32(np.inf))
        if self._rule == "strict":
            return _Cut(after, after, place)
        high = size.copy()
        if self._rule in ("exact", "at_least_one"):
            for at in np.flatnonzero(ordered[:, dropped - 1] == size).tolist():
                sizes = group.view(columns.sizes, at, at + 1)[row, 0]
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
