"""Preview to heatmap: sign conflict by layer and module. Pure."""

from collections.abc import Mapping

from merging.analysis import Conflict
from merging.checkpoints.buckets import MODULES, Bucket, row_order
from merging.sketch import Preview
from ui.views.models import HeatCell, HeatmapView
from ui.views.sentences import conflict_sentence, error_words, percent


def heatmap_view(shown: Preview) -> HeatmapView:
    """Arrange conflict by layer (rows, from the input up) and module (columns).

    The scale runs from 0 to 1 and does not move while a slider is dragged.
    """
    rows = tuple(sorted({b.row for b in shown.cells}, key=row_order))
    present = {b.module for b in shown.cells}
    columns = tuple(m for m in MODULES if m in present)
    cells = tuple(tuple(_cell(shown.cells, Bucket(r, c)) for c in columns) for r in rows)
    return HeatmapView(rows, columns, cells, 0.0, 1.0, conflict_sentence(shown))


def _cell(cells: Mapping[Bucket, Conflict], bucket: Bucket) -> HeatCell | None:
    found = cells.get(bucket)
    if found is None:
        return None
    where = f"{bucket.row} {bucket.module}"
    share, chance = found.share, found.chance
    if found.too_few or share is None or chance is None:
        text = f"{where}: too few weights ({found.shared:,}) are kept by two or more experts."
        return HeatCell(None, None, found.shared, text)
    text = (
        f"{where}: signs clash at {percent(share.value, 1)} of the {found.shared:,} weights that "
        f"two or more experts keep; coin tosses would clash at {percent(chance.value, 1)}. "
        f"{error_words(share)}"
    )
    return HeatCell(share.value, chance.value, found.shared, text)
