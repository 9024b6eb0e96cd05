"""Figures of conflict to the heatmap by layer and module. Pure."""

from collections.abc import Sequence

import numpy as np

from merging.analysis import Conflict, Figure
from merging.analysis.figures import Counts, Shares
from merging.checkpoints.buckets import Bucket
from merging.sketch import Preview
from merging.sketch.answers import ConflictTable
from ui.views.conflict_words import sentences
from ui.views.heatmap_grid import HeatmapGrid, heatmap_groups
from ui.views.models import HeatmapView, HeatPart, HeatSide


def conflict_view(
    grid: HeatmapGrid,
    table: ConflictTable,
    pinned: ConflictTable | None = None,
    pinned_name: str = "",
    experts: int = 2,
) -> HeatmapView:
    """Arrange conflict by layer (rows, from the input up) and module (columns).

    Args:
        grid: Rows and columns.
        table: The recipe's figures, of ``grid.groups`` in that order.
        pinned: The same of the pinned recipe; None where nothing else is pinned.
        pinned_name: Name of the pinned run.
        experts: How many experts the recipe has.
    """
    current = _side(table)
    before = None if pinned is None else _side(pinned)
    words = sentences(grid, current, before, pinned_name, experts)
    return HeatmapView(grid, current, before, pinned_name, words)


def heatmap_view(shown: Preview) -> HeatmapView:
    """Arrange a preview's own figures, one by one: slow beside ``conflict_view``."""
    grid = heatmap_groups(shown.cells)
    return conflict_view(grid, _table(shown, grid.groups), experts=len(shown.experts))


def _side(table: ConflictTable) -> HeatSide:
    disjoint, agree = (_part(s, s.basis) for s in (table.disjoint, table.agree))
    return HeatSide(_part(table.share, table.shared), disjoint, agree, table.chance.value)


def _part(shares: Shares, counted: Counts) -> HeatPart:
    return HeatPart(shares.value, shares.low, shares.high, counted)


def _table(shown: Preview, groups: Sequence[Sequence[Bucket]]) -> ConflictTable:
    joined = [_pooled([shown.cells[bucket] for bucket in group]) for group in groups]
    return ConflictTable(
        share=_shares([c.share for c in joined]),
        chance=_shares([c.chance for c in joined]),
        agree=_shares([c.agree for c in joined]),
        disjoint=_shares([c.disjoint for c in joined]),
        contested=_shares([c.contested for c in joined]),
        shared=np.array([c.shared for c in joined], np.int64),
    )


def _pooled(parts: Sequence[Conflict]) -> Conflict:
    return Conflict(
        np.concatenate([c.survivors for c in parts]),
        np.concatenate([c.clashes for c in parts]),
        np.concatenate([c.population for c in parts]),
        max(c.slack for c in parts),
    )


def _shares(figures: Sequence[Figure | None]) -> Shares:
    nothing = Figure(np.nan, np.nan, np.nan, True, 0)
    found = [nothing if f is None else f for f in figures]
    ends = (np.array([getattr(f, end) for f in found]) for end in ("value", "low", "high"))
    return Shares(*ends, np.array([f.basis for f in found], np.int64), all(f.exact for f in found))
