"""What tasks are called on charts: the letter of their expert, and their word. Pure."""

from collections.abc import Iterable, Mapping

from merging.sets import ModelSet
from ui.views.magnitudes import letters

Names = Mapping[str, tuple[str, str]]


def task_names(opened: ModelSet) -> dict[str, tuple[str, str]]:
    """Return letter and word of each task of a set, by its id; a task without expert has no letter.

    Args:
        opened: The set.
    """
    marks = letters(tuple(opened.experts))
    letter = {opened.task_of(e): marks[e][0] for e in reversed(opened.experts)}
    return {t["id"]: (letter.get(t["id"], ""), t["label"]) for t in opened.card["tasks"]}


def in_order(names: Iterable[str], scored: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of scored tasks as their set lists them, which is how all tables do.

    Args:
        names: Ids of the set's tasks, in its order.
        scored: Those to arrange; one that the set has not stands last.
    """
    mine = tuple(scored)
    known = tuple(task for task in names if task in mine)
    return (*known, *(task for task in mine if task not in known))
