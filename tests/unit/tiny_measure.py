"""A measure that answers at once: which items are right is a function of the recipe."""

from collections.abc import Callable

import numpy as np

from merging.errors import Cancelled
from merging.evaluation import Bits
from merging.jobs import Report
from merging.recipe import Recipe, make_recipe

ITEMS = 40
TASKS = ("first", "second")


def share(value: float, count: int = ITEMS) -> Bits:
    """The first so many items right."""
    return np.arange(count) < round(value * count)


def sum_of(scale: float = 0.3, **fields: object) -> Recipe:
    """Three experts added with λ = ``scale``."""
    return make_recipe("task_arithmetic", "abc", set="tiny", params={"scale": scale}, **fields)


def hill(recipe: Recipe) -> dict[str, Bits]:
    """Best at λ = 1 on the first task, at 0.6 on the second."""
    at = float(recipe.settings().common["scale"])
    return {"first": share(0.8 - 0.3 * abs(at - 1)), "second": share(0.7 - 0.2 * abs(at - 0.6))}


class Ticks:
    """A clock that somebody moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TinyMeasure:
    """Counts what it is asked for; each recipe takes ``seconds`` on its clock, in ten steps."""

    def __init__(
        self,
        answer: Callable[[Recipe], dict[str, Bits]] = hill,
        seconds: float = 1.0,
    ) -> None:
        self.answer, self.seconds, self.clock = answer, seconds, Ticks()
        self.scored: list[tuple[Recipe, str]] = []
        self.own_asked: list[str] = []
        self.base_asked: list[str] = []

    def mark(self, half: str) -> str:
        return f"tiny {half}"

    def score(self, recipe: Recipe, half: str, report: Report) -> dict[str, Bits]:
        for step in range(10):
            report(step / 10, "score")
            self.clock.now += self.seconds / 10
        self.scored.append((recipe, half))
        return self.answer(recipe)

    def base(self, half: str, report: Report) -> dict[str, Bits]:
        self.base_asked.append(half)
        return {"first": share(0.3), "second": share(0.6)}

    def own(self, half: str, report: Report) -> dict[str, Bits]:
        self.own_asked.append(half)
        return {task: share(0.9) for task in TASKS}

    @property
    def tuned(self) -> list[Recipe]:
        return [recipe for recipe, half in self.scored if half == "tuning"]


def quiet(fraction: float, message: str) -> None:
    """A report that nobody reads."""


class CancelAfter:
    """A report that raises from some call on."""

    def __init__(self, calls: int) -> None:
        self.calls, self.seen = calls, 0

    def __call__(self, fraction: float, message: str) -> None:
        self.seen += 1
        if self.seen > self.calls:
            raise Cancelled("Cancelled.")
