"""A ground of a few weights: which items are right is a closed form of them."""

from collections.abc import Callable
from threading import Lock

import numpy as np
import torch
from torch import Tensor, tensor

from merging.errors import unknown
from merging.evaluation.judged import Judged
from merging.jobs import Report

ITEMS = 1000
MODELS = {
    "base": (1.0, 1.0, 1.0),
    "a": (4.0, 1.0, 1.0),
    "b": (2.0, 3.0, 1.0),
    "c": (1.0, 2.0, 5.0),
}


def judged(share: float, loss: float = 1.0, items: int = ITEMS) -> Judged:
    """One task ``t``: the first so many items right, every item with the same loss."""
    return Judged({"t": np.arange(items) < round(share * items)}, {"t": np.full(items, loss)})


def slope(weights: Tensor) -> Judged:
    """As many right as the first weight says, in tenths; loss: squared distance from the base."""
    x = float(weights[0])
    lost = float((weights - tensor(MODELS["base"])).square().sum())
    return judged(min(1.0, max(0.0, x / 10)), lost)


class TinyGround:
    """Keeps what it judged; ``answer`` may be another function of the weights."""

    def __init__(self, answer: Callable[[Tensor], Judged] = slope) -> None:
        self.answer, self.seen, self.lock = answer, list[Tensor](), Lock()

    def models(self) -> tuple[str, ...]:
        return tuple(MODELS)

    def weights(self, model: str) -> Tensor:
        if model not in MODELS:
            raise unknown("model", model, MODELS)
        return torch.tensor(MODELS[model])

    def tasks(self) -> tuple[str, ...]:
        return ("t",)

    def judge(self, weights: Tensor, report: Report, only: object = None) -> Judged:
        report(0.0, "score")
        with self.lock:
            self.seen.append(weights.clone())
        return self.answer(weights)

    def own(self, report: Report, only: object = None) -> dict[str, np.ndarray]:
        report(0.0, "own")
        return {"t": np.arange(ITEMS) < 0.8 * ITEMS}
