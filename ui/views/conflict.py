"""Figures of conflict to the heatmap by layer and module. Pure."""

from merging.analysis.figures import Counts, Shares
from merging.sketch.answers import ConflictTable
from ui.views.conflict_words import sentences
from ui.views.heatmap_grid import HeatmapGrid
from ui.views.models import HeatmapView, HeatPart, HeatSide


def conflict_view(
    grid: HeatmapGrid,
    table: ConflictTable,
    pinned: ConflictTable | None = None,
    pinned_name: str = "",
) -> HeatmapView:
    """Arrange conflict by layer (rows, from the input up) and module (columns).

    Args:
        grid: Rows and columns.
        table: The recipe's figures, of ``grid.groups`` in that order.
        pinned: The same of the pinned recipe; None where nothing else is pinned.
        pinned_name: Name of the pinned run.
    """
    current = _side(table)
    before = None if pinned is None else _side(pinned)
    words = sentences(grid, current, before, pinned_name)
    return HeatmapView(grid, current, before, pinned_name, words)


def _side(table: ConflictTable) -> HeatSide:
    disjoint, agree = (_part(s, s.basis) for s in (table.disjoint, table.agree))
    return HeatSide(_part(table.share, table.shared), disjoint, agree, table.chance.value)


def _part(shares: Shares, counted: Counts) -> HeatPart:
    return HeatPart(shares.value, shares.low, shares.high, counted)
