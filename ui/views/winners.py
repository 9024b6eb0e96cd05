"""Winners to rows by layer: whose sign prevails where experts clash, and what flips. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.analysis import Figure
from merging.sketch.answers import Winners
from ui.views.experts import ExpertMark, expert_marks, listed
from ui.views.shares import figure_at, with_interval

LONGEST_LIST = 3
SAME = " Nothing flips: these are the pinned settings."


@dataclass(frozen=True, slots=True)
class WinnerRow:
    """One layer: the share of the contested pull that each expert wins, and what flips.

    ``won`` holds one figure for each expert, None in a layer where too few weights are contested.
    """

    row: str
    won: tuple[Figure, ...] | None
    flips: Figure | None


@dataclass(frozen=True, slots=True)
class WinnersView:
    """Who won, by layer from the input up. ``pinned`` is the run that flips are counted against."""

    rows: tuple[WinnerRow, ...]
    experts: tuple[ExpertMark, ...]
    sentence: str
    pinned: str = ""


def winners_view(
    found: Winners | None,
    rows: Sequence[str],
    names: Mapping[str, str],
    order: tuple[str, ...],
    pinned: str = "",
    same: bool = False,
) -> WinnersView:
    """Arrange who wins by layer, experts in the order of the set.

    Args:
        found: One group for each of ``rows``; None where only a merge can tell.
        rows: Layers, from the input up.
        names: Words for expert ids.
        order: Expert ids in the order of the set.
        pinned: Name of the pinned run, where flips were counted.
        same: The settings are those of the pinned run.
    """
    if found is None:
        return WinnersView((), (), "Whose sign prevails, only merging tells with this method.")
    places = sorted(range(len(found.experts)), key=lambda i: order.index(found.experts[i]))
    experts = expert_marks((found.experts[i] for i in places), names, order)
    made = tuple(_row(found, group, row, places) for group, row in enumerate(rows))
    counted = pinned if found.flips is not None else ""
    sentence = winners_sentence(made, experts)
    if counted:
        sentence += SAME if same else flips_sentence(made, counted)
    return WinnersView(made, experts, sentence, counted)


def _row(found: Winners, group: int, row: str, places: Sequence[int]) -> WinnerRow:
    won = [figure_at(found.won, group, place) for place in places]
    told = tuple(figure for figure in won if figure is not None)
    flips = None if found.flips is None else figure_at(found.flips, group)
    return WinnerRow(row, told if len(told) == len(won) else None, flips)


def leader(row: WinnerRow) -> int | None:
    """Return the place of the expert that wins most of a layer beyond doubt, or None."""
    if not row.won:
        return None
    ranked = sorted(range(len(row.won)), key=lambda i: -row.won[i].value)
    first = ranked[0]
    if any(row.won[i].high >= row.won[first].low for i in ranked[1:]):
        return None
    return first


def winners_sentence(rows: Sequence[WinnerRow], experts: Sequence[ExpertMark]) -> str:
    """Return who wins most, in how many layers, and where another does."""
    if len(experts) < 2:
        return "With one expert there is nobody to win against."
    told = [row for row in rows if row.won is not None]
    if not told:
        return "Nobody meets: too few weights are pulled both ways to speak of winners."
    leaders = {row.row: leader(row) for row in told}
    counts = [sum(found == i for found in leaders.values()) for i in range(len(experts))]
    if not any(counts):
        return f"No expert wins clearly more than the others{_where(told)}."
    first = max(range(len(experts)), key=lambda i: counts[i])
    count = "every layer" if counts[first] == len(told) > 1 else _of(counts[first], len(told))
    text = f"{experts[first].name} wins most of what is contested in {count}"
    others = [
        f"{mark.letter} in {_names([r for r, found in leaders.items() if found == i])}"
        for i, mark in enumerate(experts)
        if i != first and counts[i]
    ]
    text += f"; {listed(others)}" if others else ""
    close = [row for row, found in leaders.items() if found is None]
    text += f"; too close to call in {_names(close)}" if close else ""
    return text + "."


def flips_sentence(rows: Sequence[WinnerRow], pinned: str) -> str:
    """Return where most weights change in another direction than under the pinned run."""
    told = [(row.row, row.flips) for row in rows if row.flips is not None]
    if not told:
        return ""
    where, most = max(told, key=lambda pair: pair[1].value)
    if most.value == 0:
        return f" No weight changes direction against {pinned}."
    return f" Against {pinned} most weights change direction in {where}: {with_interval(most)}."


def _of(count: int, total: int) -> str:
    return f"{count} of {total} layers" if total > 1 else "the one layer that counts"


def _where(told: list[WinnerRow]) -> str:
    return f" in {told[0].row}" if len(told) == 1 else " in any layer"


def _names(rows: Sequence[str]) -> str:
    if len(rows) > LONGEST_LIST:
        return f"{len(rows)} layers"
    return listed(rows)
