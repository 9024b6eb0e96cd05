"""What can be said about merges: conflict, figures with errors. Numbers in, numbers out."""

from merging.analysis.conflict import Conflict, ConflictCount, add_counts, count_conflict
from merging.analysis.figures import Figure, Strata, ratio, share, strata, total

__all__ = [
    "Conflict",
    "ConflictCount",
    "Figure",
    "Strata",
    "add_counts",
    "count_conflict",
    "ratio",
    "share",
    "strata",
    "total",
]
