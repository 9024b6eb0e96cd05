"""Plain tables: numbers that need no picture. Pure."""

from collections.abc import Sequence
from typing import Any

from ui.views.dialects import COLUMNS, DialectsView


def plain_table(
    caption: str,
    sentence: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    name: str,
    words: Sequence[int] = (0,),
) -> dict[str, Any]:
    """Return the value of a ``PlainTable``.

    Args:
        caption: What the table holds, for those who hear it.
        sentence: Its verdict.
        columns: Their names.
        rows: Their texts, the first of each naming it.
        name: Of the saved file.
        words: Places of the columns that hold words rather than numbers.
    """
    return {
        "caption": caption,
        "sentence": sentence,
        "table": {"columns": list(columns), "rows": [list(row) for row in rows]},
        "words": list(words),
        "name": name,
    }


def dialects_table(view: DialectsView) -> dict[str, Any]:
    """Return readings of a recipe as the value of a ``PlainTable``."""
    caption = "The same settings as each dialect reads them"
    return plain_table(caption, view.sentence, COLUMNS, view.rows, "dialects", (0, 1))
