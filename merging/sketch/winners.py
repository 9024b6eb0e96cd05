"""Who prevails where signs clash, for many cells, rows and columns of the grid at once."""

from collections.abc import Iterable, Sequence

from merging.checkpoints.buckets import Bucket
from merging.sketch.answers import Winners
from merging.sketch.preview import Preview


def winners(preview: Preview, groups: Sequence[Iterable[Bucket]]) -> Winners | None:
    """Return who wins the contested weights of groups of buckets, and which changes turn.

    Args:
        preview: Of a recipe, perhaps against a pinned one.
        groups: Buckets that are told together, as of ``conflict_table``.

    Returns:
        Experts in computing order; None where only a merge can tell.

    Raises:
        KeyError: There is no such bucket.
    """
    tally = preview.tally
    assert tally is not None
    where = tally.place(*groups)
    won = tally.won(where)
    if won is None:
        return None
    return Winners(tuple(e.expert for e in preview.experts), won, tally.flips(where))
