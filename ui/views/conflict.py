"""Preview to heatmap: sign conflict by layer and module. Pure."""

from merging.analysis import ConflictCount
from merging.checkpoints.buckets import MODULES, Bucket, row_order
from merging.sketch import Preview
from ui.views.models import HeatCell, HeatmapView
from ui.views.sentences import conflict_sentence, percent


def heatmap_view(shown: Preview) -> HeatmapView:
    """Arrange conflict by layer (rows, from the input up) and module (columns).

    The scale runs from 0 to 1 and does not move while a slider is dragged.
    """
    rows = tuple(sorted({b.row for b in shown.cells}, key=row_order))
    present = {b.module for b in shown.cells}
    columns = tuple(m for m in MODULES if m in present)
    cells = tuple(tuple(_cell(shown.cells, Bucket(r, c)) for c in columns) for r in rows)
    return HeatmapView(rows, columns, cells, 0.0, 1.0, conflict_sentence(shown))


def _cell(cells: dict[Bucket, ConflictCount], bucket: Bucket) -> HeatCell | None:
    count = cells.get(bucket)
    if count is None:
        return None
    where = f"{bucket.row} {bucket.module}"
    if count.too_few or count.share is None or count.chance is None:
        text = f"{where}: too few weights ({count.shared:,}) are kept by two or more experts."
        return HeatCell(None, None, count.shared, text)
    text = (
        f"{where}: signs clash at {percent(count.share, 1)} of the {count.shared:,} weights that "
        f"two or more experts keep; coin tosses would clash at {percent(count.chance, 1)}. Exact."
    )
    return HeatCell(count.share, count.chance, count.shared, text)
