"""Agreement of experts, each with each, to a matrix and its sentence. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from merging.analysis import Figure
from merging.sketch.answers import Agreement
from ui.views.experts import ExpertMark, expert_marks
from ui.views.sentences import percent
from ui.views.shares import figure_at, number_at, with_interval

COIN = 0.5


@dataclass(frozen=True, slots=True)
class AgreementView:
    """Experts against experts, in the recipe's order.

    ``cosine[i][j]`` is of whole changes, None where one changes nothing; ``signs[i][j]`` the share
    of weights kept by both whose changes have one sign, None where too few are.
    """

    experts: tuple[ExpertMark, ...]
    cosine: tuple[tuple[float | None, ...], ...]
    signs: tuple[tuple[Figure | None, ...], ...]
    sentence: str


def agreement_view(
    found: Agreement, names: Mapping[str, str], order: tuple[str, ...]
) -> AgreementView:
    """Arrange how alike experts change the weights.

    Args:
        found: Cosines and sign agreement.
        names: Words for expert ids.
        order: Expert ids in the order of the set.
    """
    places = range(len(found.experts))
    experts = expert_marks(found.experts, names, order)
    cosine = tuple(tuple(number_at(found.cosine[i, j]) for j in places) for i in places)
    signs = tuple(tuple(figure_at(found.signs, i, j) for j in places) for i in places)
    return AgreementView(experts, cosine, signs, agreement_sentence(experts, cosine, signs))


def agreement_sentence(
    experts: Sequence[ExpertMark],
    cosine: Sequence[Sequence[float | None]],
    signs: Sequence[Sequence[Figure | None]],
) -> str:
    """Return the most and the least alike pair, and whether signs agree beyond a coin toss."""
    if len(experts) < 2:
        return "With one expert there is nobody to compare with."
    pairs = list(combinations(range(len(experts)), 2))
    known = [(value, pair) for pair in pairs if (value := cosine[pair[0]][pair[1]]) is not None]
    if not known:
        return "No expert changes anything, so there is nothing to compare."
    (least, far), (most, near) = min(known), max(known)
    a, b = (experts[i].name for i in near)
    text = f"{a} and {b} change the weights most alike (cosine {_signed(most)})"
    if near == far:
        text = f"The changes of {a} and {b} have a cosine of {_signed(most)}"
    else:
        text += f", {' and '.join(experts[i].letter for i in far)} least ({_signed(least)})"
    return f"{text}. {_signs_sentence(experts, signs, pairs)}"


def _signs_sentence(
    experts: Sequence[ExpertMark],
    signs: Sequence[Sequence[Figure | None]],
    pairs: Sequence[tuple[int, int]],
) -> str:
    told = [(figure, pair) for pair in pairs if (figure := signs[pair[0]][pair[1]]) is not None]
    if not told:
        return "Too few weights are kept by two experts to compare signs."
    best, pair = max(told, key=lambda found: found[0].value)
    who = " and ".join(experts[i].letter for i in pair)
    if len(told) == 1:
        return (
            f"Where both keep a weight, their signs agree at {with_interval(best)}: {_coin(best)}."
        )
    above = sum(figure.low > COIN for figure, _ in told)
    if above == 0:
        below = all(figure.high < COIN for figure, _ in told)
        than = "less often than" if below else "no more often than"
        return (
            f"Where two keep a weight, signs agree {than} a coin toss would (50 %); "
            f"most for {who}: {with_interval(best)}."
        )
    many = "all pairs" if above == len(told) else f"{above} of {len(told)} pairs"
    return (
        f"Where two keep a weight, signs of {many} agree more often than a coin toss "
        f"({percent(COIN)}); most for {who}: {with_interval(best)}."
    )


def _coin(figure: Figure) -> str:
    if figure.low > COIN:
        return "more often than a coin toss (50 %)"
    return "less often than a coin toss (50 %)" if figure.high < COIN else "like a coin toss (50 %)"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
