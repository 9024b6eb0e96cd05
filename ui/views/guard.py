"""How far λ may go before held-out tasks lose too much: what a sweep of it says. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from merging.errors import EvaluationError
from merging.recipe import Recipe
from merging.search.axis import Axis
from merging.search.guard import Guard, curve_of, guard
from merging.search.points import Point
from merging.search.sweep import SweepResult
from merging.sets import ModelSet
from ui.views.tasks import task_names

LAMBDA = "scale"


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a guard allows of a sweep: itself, the points that it lets a task lose, and in words.

    ``beyond`` names which of the marked points, "best" and "simplest", it does not allow.
    """

    guard: Guard
    bound: str
    words: str
    beyond: tuple[str, ...] = ()

    def allows(self, scale: float) -> bool:
        """Return whether a λ is one that it allows."""
        return self.guard.limit is not None and scale <= self.guard.limit


def guards(axes: Sequence[Axis]) -> bool:
    """Return whether a sweep is one that a guard can read: of λ alone."""
    return len(axes) == 1 and (axes[0].kind, axes[0].name) == ("parameter", LAMBDA)


def held_out(recipe: Recipe, task_of: Mapping[str, str], every: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks that no expert of a recipe was trained on, in the set's order.

    Args:
        recipe: Of the set.
        task_of: Of the set's experts; "" for one that knows a little of all.
        every: The set's tasks.
    """
    mine = {task_of[expert.id] for expert in recipe.experts}
    return () if "" in mine else tuple(task for task in every if task not in mine)


def guarded(result: SweepResult, tasks: Sequence[str], bound: str) -> Guard | None:
    """Return what a guard allows of a sweep; None where there is nothing to guard or no base yet.

    Args:
        result: Of any axes.
        tasks: Held out.
        bound: Points that each may lose.
    """
    if not tasks or not result.base or not guards(result.plan.axes):
        return None
    try:
        return guard(curve_of(result.points, result.base, tasks), float(bound) / 100)
    except EvaluationError:
        return None  # no point could be scored


def guard_of(result: SweepResult, opened: ModelSet, bound: str) -> Guarded | None:
    """Return what a guard on its held-out tasks allows of a sweep; None where there is none.

    Args:
        result: Of any axes.
        opened: The set that it is of.
        bound: Points that each task may lose.
    """
    task_of = {expert: opened.task_of(expert) for expert in opened.experts}
    names = task_names(opened)
    tasks = held_out(result.plan.recipe, task_of, tuple(names))
    found = guarded(result, tasks, bound)
    if found is None:
        return None
    words = guard_words(found, tasks, bound, lambda task: " ".join(names[task]).strip())
    plain = Guarded(found, bound, words)
    beyond = marked_beyond(result, plain)
    return replace(plain, words=f"{words} {beyond_words(beyond)}".strip(), beyond=beyond)


def marked_beyond(result: SweepResult, found: Guarded) -> tuple[str, ...]:
    """Return which of the marked points of a sweep, "best" and "simplest", a guard forbids."""
    marked = {"best": result.best, "simplest": result.simplest}
    return tuple(
        name
        for name, place in marked.items()
        if place is not None and not found.allows(_scale(result.points[place]))
    )


def _scale(point: Point) -> float:
    assert point.recipe is not None
    return point.recipe.settings().number(LAMBDA)


def beyond_words(names: Sequence[str]) -> str:
    """Return which marked points a guard forbids, as a sentence; "" where none."""
    verb = "lies" if len(names) == 1 else "lie"
    return f"The {' and the '.join(names)} {verb} beyond it." if names else ""


def _points(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "−")


def guard_words(found: Guard, tasks: Sequence[str], bound: str, name: Callable[[str], str]) -> str:
    """Return what a guard allows, in words.

    Args:
        found: The guard.
        tasks: Held out.
        bound: Points that each may lose.
        name: Says what a task is called.
    """
    points = f"{bound} point{'' if bound == '1' else 's'}"
    names = ", ".join(map(name, tasks))
    if found.stopped_at is None:
        return f"Held out ({names}): none loses more than {points} against the base at any λ tried."
    assert found.drop is not None
    worst = (
        f"at λ = {found.stopped_at:g} {name(found.task)} loses {100 * found.drop.value:.1f} points "
        f"({_points(found.drop.low)} to {_points(found.drop.high)})"
    )
    begin = f"The guard on held-out tasks ({names}) "
    if found.limit is None:
        return f"{begin}allows no λ that was tried: {worst}, more than {points}."
    again = " Beyond that some come back under the bound, which the guard does not trust."
    return (
        f"{begin}allows λ up to {found.limit:g}: {worst} against the base, more than {points}."
        f"{again if found.again else ''}"
    )
