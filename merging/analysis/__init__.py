"""What can be said about merges: conflict, figures with errors. Numbers in, numbers out."""

from merging.analysis.conflict import Conflict, ConflictCount, add_counts, count_conflict
from merging.analysis.figures import Figure, Shares, ratio, share, total
from merging.analysis.strata import Groups, Strata, strata

__all__ = [
    "Conflict",
    "ConflictCount",
    "Figure",
    "Groups",
    "Shares",
    "Strata",
    "add_counts",
    "count_conflict",
    "ratio",
    "share",
    "strata",
    "total",
]
