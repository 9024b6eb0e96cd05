"""Clusters of task vectors to a tree, and what it shows in a sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from merging.search.clusters import average_linkage, leaf_order
from ui.views.experts import ExpertMark, listed


@dataclass(frozen=True, slots=True)
class Branch:
    """A join: where its two branches begin (distance, row), and the distance where they meet."""

    left: tuple[float, float]
    right: tuple[float, float]
    distance: float
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClustersView:
    """A tree of experts: leaves from the top, and its joins, nearest first."""

    leaves: tuple[ExpertMark, ...]
    branches: tuple[Branch, ...]
    sentence: str


def clusters_view(marks: Sequence[ExpertMark], cosines: Sequence[Sequence[float]]) -> ClustersView:
    """Arrange experts by the cosines of their whole task vectors.

    Args:
        marks: Of the experts.
        cosines: Of their task vectors, shape (experts, experts), in the same order.
    """
    joins = average_linkage(cosines)
    order = leaf_order(joins)
    at: dict[tuple[int, ...], tuple[float, float]] = {
        (leaf,): (0.0, float(row)) for row, leaf in enumerate(order)
    }
    branches = []
    for join in joins:
        left, right = at[join.left], at[join.right]
        at[tuple(join.members)] = (join.distance, (left[1] + right[1]) / 2)
        named = tuple(marks[m].name for m in join.members)
        branches.append(Branch(left, right, join.distance, named))
    return ClustersView(tuple(marks[i] for i in order), tuple(branches), _sentence(branches))


def _sentence(branches: Sequence[Branch]) -> str:
    if not branches:
        return "One expert has nobody to be like."
    near, far = branches[0], branches[-1]
    said = f"Most alike: {listed(near.members)}, cosine {1 - near.distance:.2f}."
    if len(branches) > 1:
        said += f" The last two groups join at a mean cosine of {1 - far.distance:.2f}."
    return said.replace("-", "−") + " At 0 two changes have nothing in common, as random ones do."
