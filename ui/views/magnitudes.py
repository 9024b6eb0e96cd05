"""Sketch and preview to magnitude curves: how large the experts' changes are. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from merging.sketch import ExpertPreview, Preview, Sketch
from merging.sketch.answers import CellCurve
from ui.views.models import LETTERS, SHAPES, MagnitudeCurve, MagnitudesView
from ui.views.sentences import percent

LEVELS = 257


def letters(experts: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Return letter and marker shape of every expert of a set, by its place in the set."""
    return {e: (LETTERS[i], SHAPES[i % len(SHAPES)]) for i, e in enumerate(experts)}


def expert_names(card: Mapping[str, Any]) -> dict[str, str]:
    """Return letter and word of every expert of a set, by id, from the set's card."""
    words = {e["id"]: e["label"] for e in card["experts"]}
    return {e: f"{letter} {words[e]}" for e, (letter, _) in letters(tuple(words)).items()}


def magnitudes_view(
    sketch: Sketch, shown: Preview, names: Mapping[str, str], order: tuple[str, ...]
) -> MagnitudesView:
    """Return one curve per expert of the recipe, with the size below which changes are trimmed.

    Args:
        sketch: Of the set.
        shown: The answer for the recipe.
        names: Words for expert ids.
        order: Expert ids in the order of the set.
    """
    marks = letters(order)
    shares = [1 - i / (LEVELS - 1) for i in range(LEVELS)]
    curves = []
    for expert in shown.experts:
        sizes = sketch.sizes(expert.expert, shares)
        letter, shape = marks[expert.expert]
        curves.append(
            MagnitudeCurve(
                expert.expert,
                names[expert.expert],
                letter,
                shape,
                *above_zero(sizes, shares),
                expert.cut,
                expert.kept.value,
                expert.energy.value,
            )
        )
    return MagnitudesView(tuple(curves), magnitudes_sentence(shown, marks))


def above_zero(
    sizes: Sequence[float], shares: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the points of a curve that a log axis can show: the sizes and their shares."""
    pairs = [(s, share) for s, share in zip(sizes, shares, strict=True) if s > 0]
    return tuple(s for s, _ in pairs), tuple(share for _, share in pairs)


def magnitudes_sentence(shown: Preview, marks: Mapping[str, tuple[str, str]]) -> str:
    """Return in words where the cut falls, or that there is none."""
    if shown.length is None and not any(e.cut is not None for e in shown.experts):
        return "The changes that the experts bring; what becomes of them, only merging tells."
    return cut_sentence(shown.experts, "expert's task vector")


def cut_sentence(experts: Sequence[ExpertPreview | CellCurve], whose: str) -> str:
    """Return what a cut by size keeps of changes, or that there is none.

    Args:
        experts: At least one.
        whose: What the squared length is of, after "an".
    """
    cut = [e for e in experts if e.cut is not None]
    if cut:
        least, most = min(e.energy.value for e in cut), max(e.energy.value for e in cut)
        kept = percent(sum(e.kept.value for e in cut) / len(cut), 1)
        share = percent(most)
        if percent(least) != share:
            share = f"{100 * least:.0f} to {share}"
        return (
            f"The largest {kept} of the changes carry {share} of the squared length of an {whose}."
        )
    shares = [e.kept.value for e in experts]
    if min(shares) > 0.9999:
        return "Nothing is cut off by its size before the merge."
    return (
        f"No size is cut off: {percent(sum(shares) / len(shares), 1)} of the changes are kept, "
        "whatever their size."
    )
