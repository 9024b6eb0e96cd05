"""What a lesson's recipes are measured with: scores of its tasks, and counts of conflict."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from merging.analysis import Conflict
from merging.engine.cache import Intermediates
from merging.lessons.model import Lesson
from merging.recipe import Recipe
from merging.search.measure import SetMeasure
from merging.search.points import Measure
from merging.sets import open_set, sketch
from merging.sketch import preview

Tasks = frozenset[str]
ITEMS, FEW = 250, 2  # of each task, where there are more than a few: so a lesson stays short


class Opens(Protocol):
    """Opens what scores the recipes of a set."""

    def __call__(self, name: str, tasks: Tasks | None, /) -> Measure:
        """Return what scores recipes of a set on some tasks, or on all of them."""
        ...


def set_measure(name: str, tasks: Tasks | None, cache: Intermediates | None = None) -> Measure:
    """Return what scores a bundled set for lessons: a few tasks whole, all of them in part.

    Args:
        name: Of the set.
        tasks: Which; None for all.
        cache: Keeps trimmed changes for the next recipe.

    Raises:
        MergeError: As opening the set does.
    """
    few = tasks is not None and len(tasks) <= FEW
    return SetMeasure(name, items=None if few else ITEMS, cache=cache, only=tasks)


def tasks_of(recipe: Recipe) -> Tasks:
    """Return the tasks of a recipe's experts.

    Raises:
        MergeError: Its set cannot be opened.
    """
    opened = open_set(recipe.set or "")
    return frozenset(opened.task_of(e.id) for e in recipe.experts) - {""}


def conflict_of(recipe: Recipe) -> Conflict:
    """Return the conflict of a recipe over all weights, from its set's sketch.

    Raises:
        MergeError: The sketch cannot be read.
    """
    return preview(sketch(recipe.set or ""), recipe).whole


@dataclass(frozen=True, slots=True)
class Tools:
    """What measures; a test or a server brings its own.

    Attributes:
        measure: Opens what scores.
        conflict: Counts conflict.
        tasks: Tells the tasks of a recipe's experts.
    """

    measure: Opens = set_measure
    conflict: Callable[[Recipe], Conflict] = conflict_of
    tasks: Callable[[Recipe], Tasks] = tasks_of


def needed_tasks(lesson: Lesson, tell: Callable[[Recipe], Tasks]) -> Tasks | None:
    """Return the tasks that a lesson's scores are of; None for all of them.

    Args:
        lesson: Whose lines tell.
        tell: The tasks of a recipe's experts.
    """
    asked = [q.line for q in lesson.quantities if q.line is not None]
    if any(line.part in ("held_out", "all") for line in (*lesson.chart.lines, *asked)):
        return None
    return frozenset[str]().union(*_every(lesson, tell))


def _every(lesson: Lesson, tell: Callable[[Recipe], Tasks]) -> Iterable[Tasks]:
    for series in lesson.series:
        for _, recipe in series.points if series.kind == "score" else ():
            yield tell(recipe)
