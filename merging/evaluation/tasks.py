"""Image tasks: batches of pixels, labels, and a frozen linear head per task."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from merging.errors import EvaluationError

BATCH = 250
HALVES = ("tuning", "reporting")


@dataclass(frozen=True, slots=True)
class Task:
    """One task, ready to be scored.

    Attributes:
        id: Its name.
        batches: Normalised images, each (n, 1, 28, 28) float32, at most 250.
        labels: True classes, shape (items,), int64.
        weight, bias: The head, shapes (classes, hidden) and (classes,).
    """

    id: str
    batches: tuple[Tensor, ...]
    labels: Tensor
    weight: Tensor
    bias: Tensor

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self.labels)


def every_nth(task: Task, step: int) -> Task:
    """Return a task with every ``step``-th of its items, the first included."""
    images, labels = torch.cat(task.batches)[::step], task.labels[::step]
    return replace(task, batches=torch.split(images, BATCH), labels=labels)


def spread(task: Task, count: int) -> Task:
    """Return a task with so many of its items, evenly over all of them; all where it has fewer.

    Args:
        task: With its items.
        count: At least 1.

    Raises:
        EvaluationError: The count is below 1.
    """
    if count < 1:
        raise EvaluationError(f"{count} items of task {task.id}: choose at least 1.")
    if count >= task.count:
        return task
    chosen = torch.arange(count) * task.count // count
    images, labels = torch.cat(task.batches)[chosen], task.labels[chosen]
    return replace(task, batches=torch.split(images, BATCH), labels=labels)


def load_task(
    name: str, images: Path, head: Path, half: str, preprocess: Mapping[str, float]
) -> Task:
    """Read one half of a task's evaluation items and its head.

    Args:
        name: Id of the task.
        images: safetensors with ``<half>/images`` (uint8, (n, 28, 28)) and ``<half>/labels``.
        head: safetensors with ``weight`` and ``bias``.
        half: ``tuning`` or ``reporting``.
        preprocess: ``mean`` and ``std`` of pixels in [0, 1].

    Raises:
        EvaluationError: A file cannot be read or does not fit.
    """
    try:
        stored, linear = load_file(images), load_file(head)
        pixels, labels = stored[f"{half}/images"], stored[f"{half}/labels"].long()
        weight, bias = linear["weight"].float(), linear["bias"].float()
    except (OSError, SafetensorError, KeyError) as error:
        raise EvaluationError(f"Task {name}: cannot read its items: {error}") from error
    if len(pixels) != len(labels) or int(labels.max()) >= len(weight):
        raise EvaluationError(f"Task {name}: images, labels and head do not fit together.")
    scaled = (pixels.float().unsqueeze(1) / 255 - preprocess["mean"]) / preprocess["std"]
    return Task(name, torch.split(scaled, BATCH), labels, weight, bias)


def predict(features: Tensor, task: Task) -> Tensor:
    """Return the predicted class of each item from features of shape (items, hidden)."""
    return torch.addmm(task.bias, features, task.weight.T).argmax(1)
