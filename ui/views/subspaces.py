"""Subspaces to rows by layer and a matrix: how many directions changes use and share. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from merging.sketch.answers import Subspaces
from ui.views.experts import ExpertMark, expert_marks
from ui.views.sentences import percent
from ui.views.shares import number_at


@dataclass(frozen=True, slots=True)
class SubspacesView:
    """Effective rank and overlap of the changes of one kind of tensor.

    ``rank[expert][row]`` is None where nothing changes; ``full[row]`` is the largest it could be.
    ``overlap[i][j]`` is a share in [0, 1], ``chance`` what random subspaces share.
    """

    module: str
    rows: tuple[str, ...]
    experts: tuple[ExpertMark, ...]
    rank: tuple[tuple[float | None, ...], ...]
    full: tuple[float | None, ...]
    overlap: tuple[tuple[float | None, ...], ...]
    chance: float
    sentence: str
    overlap_sentence: str


def subspaces_view(
    found: Subspaces, names: Mapping[str, str], order: tuple[str, ...]
) -> SubspacesView:
    """Arrange the directions of one kind of tensor.

    Args:
        found: Ranks by layer and expert, overlaps by expert.
        names: Words for expert ids.
        order: Expert ids in the order of the set.
    """
    rows, places = range(len(found.rows)), range(len(found.experts))
    experts = expert_marks(found.experts, names, order)
    rank = tuple(tuple(number_at(found.rank[row, e]) for row in rows) for e in places)
    full = tuple(number_at(value) for value in found.full)
    overlap = tuple(tuple(number_at(found.overlap[i, j]) for j in places) for i in places)
    return SubspacesView(
        module=found.module,
        rows=found.rows,
        experts=experts,
        rank=rank,
        full=full,
        overlap=overlap,
        chance=found.chance,
        sentence=rank_sentence(found.module, rank, full),
        overlap_sentence=overlap_sentence(found.module, experts, overlap, found.chance),
    )


def rank_sentence(
    module: str, rank: Sequence[Sequence[float | None]], full: Sequence[float | None]
) -> str:
    """Return how many of the possible directions a change uses, on average and at most."""
    told = [
        (used, most)
        for own in rank
        for used, most in zip(own, full, strict=True)
        if used is not None and most
    ]
    if not told:
        return f"No expert changes any {module} tensor."
    shares = [used / most for used, most in told]
    mean = sum(used for used, _ in told) / len(told)
    low, high = min(shares), max(shares)
    between = f"{100 * low:.0f} to {percent(high)}"
    span = percent(high) if percent(low) == percent(high) else between
    return (
        f"Changes of {module} tensors use {mean:.1f} directions on average, {span} of those "
        "that they could use."
    )


def overlap_sentence(
    module: str,
    experts: Sequence[ExpertMark],
    overlap: Sequence[Sequence[float | None]],
    chance: float,
) -> str:
    """Return which pair shares most directions, beside what random ones share."""
    told = [
        (value, pair)
        for pair in combinations(range(len(experts)), 2)
        if (value := overlap[pair[0]][pair[1]]) is not None
    ]
    if not told:
        return "With one expert there is nobody to share directions with."
    most, pair = max(told)
    who = " and ".join(experts[i].name for i in pair)
    text = f"In {module} tensors {who} share {percent(most)} of their main directions"
    text += ", the most of all pairs" if len(told) > 1 else ""
    return f"{text}; random ones would share {percent(chance)}."
