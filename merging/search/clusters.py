"""Which changes are alike: clusters of task vectors by their cosines, joined pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Join:
    """Two clusters become one.

    Attributes:
        left, right: Their members, places in the order of the cosines.
        distance: Mean of 1 - cosine over all pairs of one member of each, in [0, 2].
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    distance: float

    @property
    def members(self) -> tuple[int, ...]:
        """Members of the new cluster, so that no branches of its tree cross."""
        return self.left + self.right


def average_linkage(cosines: Sequence[Sequence[float]] | Matrix) -> tuple[Join, ...]:
    """Join the two nearest clusters until there is one.

    Args:
        cosines: Of task vectors, shape (experts, experts), symmetric; for a few dozen experts.

    Returns:
        One join fewer than there are experts, nearest first. Of equally near ones the first pair.

    Example:
        >>> [join.members for join in average_linkage([[1, 0, .9], [0, 1, .1], [.9, .1, 1]])]
        [(0, 2), (0, 2, 1)]

    Source:
        Sokal & Michener 1958 (average linkage, UPGMA).
    """
    apart = 1 - np.asarray(cosines, dtype=np.float64)
    clusters: list[tuple[int, ...]] = [(i,) for i in range(len(apart))]
    joins: list[Join] = []
    while len(clusters) > 1:
        left, right = min(
            combinations(clusters, 2), key=lambda pair: (_distance(apart, *pair), pair)
        )
        join = Join(left, right, _distance(apart, left, right))
        joins.append(join)
        rest = [c for c in clusters if c not in (left, right)]
        clusters = sorted([*rest, join.members])
    return tuple(joins)


def leaf_order(joins: Sequence[Join]) -> tuple[int, ...]:
    """Return the experts in an order in which each cluster stands together; one where none is."""
    return joins[-1].members if joins else (0,)


def _distance(apart: Matrix, left: tuple[int, ...], right: tuple[int, ...]) -> float:
    return round(float(apart[np.ix_(left, right)].mean()), 12)
