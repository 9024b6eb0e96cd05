"""Rows and columns of the heatmap, and which buckets each of its figures counts. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from merging.checkpoints.buckets import MODULES, Bucket, row_order

MOST_ROWS = 80


@dataclass(frozen=True, slots=True)
class HeatmapGrid:
    """The layer x module grid, and the groups of buckets to ask ``conflict_table`` for.

    Attributes:
        rows: Names from the input up; layers that share a row are called "L0-L2".
        columns: Modules.
        members: The bucket rows that each row holds.
        places: Row and column of each cell, rows first; a module that a layer lacks has no cell.
        groups: Buckets of every cell, then of every row, of every column, and of the whole model.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    places: tuple[tuple[int, int], ...]
    groups: tuple[tuple[Bucket, ...], ...]

    def name(self, place: int) -> str:
        """Return what a cell is called, for example "L3 up", by its index in ``places``."""
        row, column = self.rows[self.places[place][0]], self.columns[self.places[place][1]]
        return row if row.lower() == column else f"{row} {column}"

    def buckets(self, layer: str, module: str) -> tuple[Bucket, ...]:
        """Return the buckets of a cell by the names of its row and column; none if there is none.

        ``layer`` may be a row of the grid ("L0-L2") or one layer in it ("L1").
        """
        for group, (row, column) in zip(self.groups, self.places, strict=False):
            if self.columns[column] == module and layer == self.rows[row]:
                return group
            if Bucket(layer, module) in group:
                return (Bucket(layer, module),)
        return ()


def heatmap_groups(buckets: Iterable[Bucket]) -> HeatmapGrid:
    """Arrange buckets by layer and module; beyond 80 rows, layers share rows in equal runs."""
    there = set(buckets)
    members = _runs(sorted({b.row for b in there}, key=row_order))
    present = {b.module for b in there}
    columns = tuple(m for m in MODULES if m in present)
    cells = {
        (r, c): group
        for r, layers in enumerate(members)
        for c, module in enumerate(columns)
        if (group := tuple(b for b in (Bucket(n, module) for n in layers) if b in there))
    }
    by_row = [_joined(cells, 0, row) for row in range(len(members))]
    by_column = [_joined(cells, 1, column) for column in range(len(columns))]
    whole = tuple(bucket for group in cells.values() for bucket in group)
    groups = (*cells.values(), *by_row, *by_column, whole)
    return HeatmapGrid(tuple(map(_named, members)), columns, members, tuple(cells), groups)


def _runs(rows: list[str]) -> tuple[tuple[str, ...], ...]:
    if len(rows) <= MOST_ROWS:
        return tuple((row,) for row in rows)
    layers = [row for row in rows if row_order(row)[0] == 1]
    others = len(rows) - len(layers)
    size = math.ceil(len(layers) / (MOST_ROWS - others))
    runs = [tuple(layers[at : at + size]) for at in range(0, len(layers), size)]
    before = [(row,) for row in rows if row_order(row)[0] == 0]
    after = [(row,) for row in rows if row_order(row)[0] > 1]
    return (*before, *runs, *after)


def _named(run: tuple[str, ...]) -> str:
    return run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}"


def _joined(
    cells: dict[tuple[int, int], tuple[Bucket, ...]], axis: int, at: int
) -> tuple[Bucket, ...]:
    return tuple(b for place, group in cells.items() if place[axis] == at for b in group)
