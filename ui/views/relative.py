"""How large changes are beside the weights they change, by layer. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.sketch.answers import Relative
from ui.views.experts import ExpertMark, expert_marks
from ui.views.sentences import percent
from ui.views.shares import number_at


@dataclass(frozen=True, slots=True)
class RelativeView:
    """Length of each expert's change over that of the weights, by layer from the input up.

    ``ratio[expert][row]`` is None where the base has no length. ``exact`` is false where the
    lengths are estimated from a sample.
    """

    rows: tuple[str, ...]
    experts: tuple[ExpertMark, ...]
    ratio: tuple[tuple[float | None, ...], ...]
    exact: bool
    sentence: str


def relative_view(
    found: Relative, names: Mapping[str, str], order: tuple[str, ...]
) -> RelativeView:
    """Arrange relative sizes.

    Args:
        found: Ratios by layer and expert.
        names: Words for expert ids.
        order: Expert ids in the order of the set.
    """
    experts = expert_marks(found.experts, names, order)
    ratio = tuple(
        tuple(_finite(found.ratio[row, expert]) for row in range(len(found.rows)))
        for expert in range(len(found.experts))
    )
    sentence = relative_sentence(found.rows, ratio)
    return RelativeView(found.rows, experts, ratio, found.exact, sentence)


def relative_sentence(rows: Sequence[str], ratio: Sequence[Sequence[float | None]]) -> str:
    """Return which layers change most and least, on the mean of the experts."""
    means = [(mean, row) for place, row in enumerate(rows) if (mean := _mean(ratio, place))]
    if not means:
        return "No expert changes any layer."
    (least, low), (most, high) = min(means), max(means)
    if len(means) == 1:
        return f"{high} changes by {_size(most)} of the length of its weights, on average."
    times = most / least
    told = (
        f"{times:.1f} times as much as {low} ({_size(least)})"
        if times >= 1.05
        else f"hardly more than {low} ({_size(least)})"
    )
    return (
        f"{high} changes most: by {_size(most)} of the length of its weights, on average over the "
        f"experts, {told}."
    )


def _mean(ratio: Sequence[Sequence[float | None]], place: int) -> float | None:
    told = [v for expert in ratio if (v := expert[place]) is not None]
    return sum(told) / len(told) if told else None


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else number_at(value)


def _size(share: float) -> str:
    return percent(share, 0 if share >= 0.0995 else 1 if share >= 0.00995 else 2)
