"""How high a place is: a share of the own experts, an accuracy, or a loss, with its noise."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from merging.evaluation.judged import Judged
from merging.search.points import Answers

Kind = Literal["share", "accuracy", "loss"]
KINDS: tuple[Kind, ...] = ("share", "accuracy", "loss")
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Height:
    """What is read off a judged model: the mean over tasks of the mean over items.

    Attributes:
        kind: ``share``: accuracy divided by that of the task's own expert on the same items, which
            is taken as it was measured; ``accuracy``; ``loss``: cross-entropy in nats.
        tasks: Those that count, at least one.
        own: Which items each task's own expert answers correctly; for shares.
    """

    kind: Kind
    tasks: tuple[str, ...]
    own: Answers = field(default_factory=dict)

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return -1 if self.kind == "loss" else 1

    def items(self, judged: Judged) -> tuple[Values, ...]:
        """Return for each task what each item adds, shape (items,): their means' mean is ``of``."""
        if self.kind == "loss":
            return tuple(judged.loss[t] for t in self.tasks)
        return tuple(judged.correct[t] / self._measure(t) for t in self.tasks)

    def of(self, judged: Judged) -> float:
        """Return the height of a model."""
        return float(np.mean([values.mean() for values in self.items(judged)]))

    def error(self, judged: Judged) -> float:
        """Return the standard error of the height over items; infinite where a loss is."""
        tasks = self.items(judged)
        if not all(np.isfinite(values).all() for values in tasks):
            return float("inf")
        return sqrt(sum(float(v.var()) / len(v) for v in tasks)) / len(tasks)

    def best(self, models: Iterable[Judged]) -> int:
        """Return the place of the best of some models, the first of equal ones."""
        return int(np.argmax([self.sign * self.of(one) for one in models]))

    def _measure(self, task: str) -> float:
        if self.kind == "accuracy":
            return 1.0
        return max(float(self.own[task].mean()), 1 / len(self.own[task]))


def stacked(height: Height, models: Sequence[Judged]) -> tuple[Values, ...]:
    """Return for each task what each item adds for each model, shape (models, items)."""
    return tuple(np.stack(rows) for rows in zip(*(height.items(m) for m in models), strict=True))
