"""What a model makes of items: which are right, and how far off the true class it is."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from merging.evaluation.intervals import Bits
from merging.evaluation.scoring import Progress
from merging.evaluation.tasks import Task

Losses = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A model on tasks.

    Attributes:
        correct: Per task which items it answers correctly, shape (items,).
        loss: Per task the cross-entropy of each item in nats, shape (items,), at least 0; infinite
            where the model's features are not numbers.
    """

    correct: Mapping[str, Bits]
    loss: Mapping[str, Losses]

    def lacks(self, tasks: Collection[str]) -> tuple[str, ...]:
        """Return those of some tasks that it was not judged on, in their order."""
        return tuple(task for task in tasks if task not in self.correct)

    def joined(self, other: "Judged") -> "Judged":
        """Return what is known of the model with what it made of other tasks."""
        return Judged({**self.correct, **other.correct}, {**self.loss, **other.loss})

    def moved(self) -> "Judged":
        """Return a copy in memory of the calling thread.

        Kept small arrays then do not lie between the large ones of a thread that goes on scoring.
        """
        return Judged(
            {task: bits.copy() for task, bits in self.correct.items()},
            {task: lost.copy() for task, lost in self.loss.items()},
        )


def judge(
    model: torch.nn.Module,
    tasks: Iterable[Task],
    progress: Progress = lambda fraction, message: None,
) -> Judged:
    """Return what a model makes of tasks; right and wrong exactly as ``score`` tells them.

    Args:
        model: As built by ``vision_model``, on the CPU.
        tasks: What to judge by.
        progress: Called before every batch with the share done; it may raise ``Cancelled``.
    """
    todo = list(tasks)
    total, done = sum(len(t.batches) for t in todo), 0
    correct: dict[str, Bits] = {}
    loss: dict[str, Losses] = {}
    with torch.inference_mode():
        for task in todo:
            parts: list[Tensor] = []
            for batch in task.batches:
                progress(done / total, f"score {task.id}")
                parts.append(model(batch).last_hidden_state.mean(1).float())
                done += 1
            correct[task.id], loss[task.id] = _judged(torch.cat(parts), task)
    return Judged(correct, loss)


def _judged(features: Tensor, task: Task) -> tuple[Bits, Losses]:
    logits = torch.addmm(task.bias, features, task.weight.T)
    sound = features.isfinite().all(1)
    right: Bits = (logits.argmax(1).eq(task.labels) & sound).numpy()
    lost = cross_entropy(logits.double(), task.labels, reduction="none")
    lost = lost.masked_fill(~sound | ~lost.isfinite(), float("inf"))
    return right, lost.numpy()
