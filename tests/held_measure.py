"""A measure that answers at once, or point by point where a test holds it."""

import threading

import numpy as np
import torch

from merging.engine import Outcome
from merging.engine.outcome import TensorReport
from merging.errors import EvaluationError
from merging.evaluation import Bits
from merging.jobs import Report
from merging.recipe import Recipe

ITEMS = 40
OWN = 36
BASE = 30
TENSORS = (
    "layers.0.attn.q.weight", "layers.0.mlp.fc1.weight", "layers.1.attn.q.weight",
    "layers.1.mlp.fc1.weight",
)  # fmt: skip


class HeldMeasure:
    """Best at λ = 0.5; waits at a gate before each point but the first ``free`` ones."""

    def __init__(self, tasks: list[str], free: int = 1000) -> None:
        self.tasks, self.free, self.scored = tasks, free, 0
        self.gate, self.waits, self.failing = threading.Event(), threading.Event(), 9.0

    def mark(self, half: str) -> str:
        return f"held {id(self)} {half}"

    def score(self, recipe: Recipe, half: str, report: Report) -> dict[str, Bits]:
        self._wait(report)
        scale = float(recipe.settings().common.get("scale", 0.5))
        if scale >= self.failing:
            raise EvaluationError("<b>not a number</b>")
        right = round(ITEMS * (0.85 - 0.4 * abs(scale - 0.5)))
        return {task: np.arange(ITEMS) < right for task in self.tasks}

    def own(self, half: str, report: Report) -> dict[str, Bits]:
        return {task: np.arange(ITEMS) < OWN for task in self.tasks}

    def base(self, half: str, report: Report) -> dict[str, Bits]:
        return {task: np.arange(ITEMS) < BASE for task in self.tasks}

    def merge(self, recipe: Recipe, report: Report) -> Outcome:
        """Four tensors, each one further from a base of zeros than the one before."""
        tensors = {name: torch.full((2,), float(i + 1)) for i, name in enumerate(TENSORS)}
        report_of = tuple(TensorReport(name, "merge", "") for name in TENSORS)
        return Outcome(recipe, tensors, report_of, 0.0, "cpu")

    def answers(self, outcome: Outcome, half: str, report: Report) -> dict[str, Bits]:
        """Fewer are right without the last tensor, on the first task more without the first."""
        self._wait(report)
        back = {name for name, weights in outcome.tensors.items() if not weights.any()}
        lost = 15 if TENSORS[-1] in back else 0
        gained = 15 if TENSORS[0] in back else 0
        return {
            task: np.arange(ITEMS) < 20 - lost + (gained if task == self.tasks[0] else 0)
            for task in self.tasks
        }

    def base_weights(self) -> dict[str, torch.Tensor]:
        return {name: torch.zeros(2) for name in TENSORS}

    def _wait(self, report: Report) -> None:
        report(0.0, "score")
        while self.scored >= self.free and not self.gate.is_set():
            self.waits.set()
            self.gate.wait(0.01)
            report(0.5, "held")
        self.scored += 1
