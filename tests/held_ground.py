"""A bundled set whose models are judged at once, or place by place where a test holds it."""

import threading
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

from merging.errors import EvaluationError
from merging.evaluation.judged import Judged
from merging.jobs import Report
from merging.search.ground import BASE, SetGround

ITEMS = 100


class HeldGround(SetGround):
    """The nearer to the average of the set's first two experts, the more is right.

    Waits at a gate before each model but the first ``free`` ones.
    """

    def __init__(self, name: str, free: int = 10_000) -> None:
        super().__init__(name, items=2)
        self.free, self.judged, self.failing = free, 0, False
        self.gate, self.waits = threading.Event(), threading.Event()
        self._lanes = threading.local()
        self.middle = self.average(self.experts[:2])
        self.size = float((self.middle - self.weights(BASE)).norm())

    def judge(self, weights: Tensor, report: Report, only: Collection[str] | None = None) -> Judged:
        with self._lock:
            held, self.judged = self.judged >= self.free, self.judged + 1
        while held and not self.gate.wait(0.01):
            self.waits.set()
            report(0.5, "held")
        if self.failing:
            raise EvaluationError("<b>not a number</b>")
        room = self._lanes.__dict__.setdefault("room", torch.empty_like(weights))
        away = float(torch.sub(weights, self.middle, out=room).norm()) / self.size
        right = round(ITEMS * max(0.1, 0.9 - 0.3 * away))
        asked = self.tasks() if only is None else only
        return Judged(
            {task: np.arange(ITEMS) < right for task in asked},
            {task: np.full(ITEMS, away) for task in asked},
        )

    def own(self, report: Report, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
        return {t: np.ones(ITEMS, bool) for t in self.tasks() if only is None or t in only}
