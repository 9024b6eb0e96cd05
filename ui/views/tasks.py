"""What tasks are called on charts: the letter of their expert, and their word. Pure."""

from collections.abc import Mapping

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
