"""A measure that answers at once, or point by point where a test holds it."""

import threading

import numpy as np

from merging.errors import EvaluationError
from merging.evaluation import Bits
from merging.jobs import Report
from merging.recipe import Recipe

ITEMS = 40
OWN = 36


class HeldMeasure:
    """Best at λ = 0.5; waits at a gate before each point but the first ``free`` ones."""

    def __init__(self, tasks: list[str], free: int = 1000) -> None:
        self.tasks, self.free, self.scored = tasks, free, 0
        self.gate, self.waits, self.failing = threading.Event(), threading.Event(), 9.0

    def mark(self, half: str) -> str:
        return f"held {id(self)} {half}"

    def score(self, recipe: Recipe, half: str, report: Report) -> dict[str, Bits]:
        report(0.0, "score")
        while self.scored >= self.free and not self.gate.is_set():
            self.waits.set()
            self.gate.wait(0.01)
            report(0.5, "held")
        self.scored += 1
        scale = float(recipe.settings().common.get("scale", 0.5))
        if scale >= self.failing:
            raise EvaluationError("<b>not a number</b>")
        right = round(ITEMS * (0.85 - 0.4 * abs(scale - 0.5)))
        return {task: np.arange(ITEMS) < right for task in self.tasks}

    def own(self, half: str, report: Report) -> dict[str, Bits]:
        return {task: np.arange(ITEMS) < OWN for task in self.tasks}
