"""From what was measured to named figures, and from these to what became of each claim. Pure."""

from collections.abc import Mapping, Sequence

from merging.evaluation import Estimate
from merging.lessons import samples
from merging.lessons.model import Choice, Claim, Condition, Lesson, Outcome, Quantity
from merging.lessons.samples import Sample

Measured = Mapping[tuple[str, str], Sequence[tuple[float, Sample]]]
Key = tuple[str, str]


def figures(lesson: Lesson, lines: Measured, best: Mapping[Key, Sample]) -> dict[str, Sample]:
    """Return the quantities of a lesson.

    Args:
        lesson: Whose.
        lines: Place and sample of every point of each line, by series and part.
        best: The best points of lines on the reporting half.

    Raises:
        KeyError: A line or a best point is missing.
    """
    found: dict[str, Sample] = {}
    for quantity in lesson.quantities:
        found[quantity.name] = _figure(quantity, lines, best, found)
    return found


def judge(claim: Claim, known: Mapping[str, Sample]) -> Outcome:
    """Return what became of a claim.

    ``above`` held where the 95 % interval of left minus right lies above 0, did not where it lies
    below, and is close in between; ``below`` the other way round. ``near`` held where the interval
    lies within the margin, and did not where it lies outside.
    """
    right = known[claim.right] if isinstance(claim.right, str) else samples.exact(claim.right)
    gap = known[claim.left].minus(right).estimate
    if claim.relation == "near":
        inside = -claim.within <= gap.low and gap.high <= claim.within
        outside = gap.low > claim.within or gap.high < -claim.within
        return "held" if inside else "not" if outside else "close"
    above, below = gap.low > 0, gap.high < 0
    if claim.relation == "below":
        above, below = below, above
    return "held" if above else "not" if below else "close"


def matches(
    choice: Choice, figures: Mapping[str, Estimate], outcomes: Mapping[str, Outcome]
) -> bool:
    """Return whether a choice is right: all its conditions are so.

    Args:
        choice: What was predicted.
        figures: Quantities by name.
        outcomes: What became of the claims, by name.
    """

    def so(condition: Condition) -> bool:
        if condition.claim:
            return outcomes[condition.claim] == condition.outcome
        return condition.low <= figures[condition.quantity].value < condition.high

    return all(so(condition) for condition in choice.when)


def _figure(
    quantity: Quantity,
    lines: Measured,
    best: Mapping[Key, Sample],
    known: Mapping[str, Sample],
) -> Sample:
    if quantity.operation == "difference":
        return known[quantity.of[0]].minus(known[quantity.of[1]])
    if quantity.operation == "gain_kept":
        return known[quantity.of[0]].gain_kept(known[quantity.of[1]])
    assert quantity.line is not None
    if quantity.operation == "best":
        return best[quantity.line.key]
    places, found = zip(*lines[quantity.line.key], strict=True)
    if quantity.operation == "at":
        return dict(zip(places, found, strict=True))[quantity.at]  # type: ignore[no-any-return]
    if quantity.operation == "best_place":
        return samples.best_place(places, found)
    if quantity.operation == "mean":
        return samples.mean(found)
    return samples.lowest(found) if quantity.operation == "lowest" else samples.spread(found)
