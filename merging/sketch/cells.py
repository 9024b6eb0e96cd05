"""The sign conflict of many cells, rows and columns of the grid at once."""

from collections.abc import Iterable, Sequence

from merging.checkpoints.buckets import Bucket
from merging.sketch.answers import ConflictTable
from merging.sketch.preview import Preview


def conflict_table(preview: Preview, groups: Sequence[Iterable[Bucket]]) -> ConflictTable:
    """Return the sign conflict of groups of buckets.

    Args:
        preview: Of a recipe.
        groups: Buckets that are told together: one cell, a marginal, or some layers; a bucket may
            be in several.

    Returns:
        Shape (groups,): the figures that ``Conflict`` has over the buckets of each.

    Raises:
        KeyError: There is no such bucket.
    """
    assert preview.tally is not None
    where, whole = preview.tally.place(*groups), preview.whole
    return ConflictTable(
        share=whole.shares(where),
        chance=whole.chances(where),
        agree=whole.parts("agree", where),
        disjoint=whole.parts("disjoint", where),
        contested=whole.parts("contested", where),
        shared=whole.shared_by(where),
    )
