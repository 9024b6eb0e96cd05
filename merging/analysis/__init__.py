"""Numbers about merges: conflict, magnitude. Numbers in, numbers out."""

from merging.analysis.conflict import ConflictCount, add_counts, count_conflict

__all__ = ["ConflictCount", "add_counts", "count_conflict"]
