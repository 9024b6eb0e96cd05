"""Train the sets for teaching: a weak and a narrow family, a twin, a run's last checkpoints.

The narrow scripts expert is trained once for two sets: on its way it leaves the checkpoints.
"""

import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from scripts.zoo import train
from scripts.zoo.models import load_head, load_model, rounded, save_heads, save_model, timed
from scripts.zoo.sources import Data

Extra = tuple[np.ndarray, np.ndarray]
Seconds = dict[str, float]


@dataclass(frozen=True)
class Family:
    """A base, heads fitted on it, and a gentle expert for every task.

    Attributes:
        name: Of the set.
        base: How the base is trained.
        width: Hidden size.
        dtype: In which all is stored: bfloat16 packs to 8 tenths in git, float16 to 9.
    """

    name: str
    base: train.Schedule
    width: int = train.WIDTH
    dtype: torch.dtype = torch.float16


WEAK = Family("weak", replace(train.BASE, steps=train.BASE.steps // 4), dtype=torch.bfloat16)
NARROW = Family("narrow", train.BASE, width=64)
TWIN = replace(train.GENTLE, seed=5)
TWIN_TASK = "digits"
RUN, RUN_TASK = "checkpoints", "scripts"
KEPT = tuple(range(400, train.GENTLE.steps + 1, 100))


def train_weak(data: list[Data], extra: Extra, root: Path) -> Seconds:
    """Train a base for a quarter of the steps, and experts of it."""
    return train_family(WEAK, data, extra, root)


def train_twin(data: list[Data], extra: Extra, root: Path) -> Seconds:
    """Train the gentle digits expert again: the same images in another order."""
    seconds: Seconds = {}
    task = next(task for task in data if task.id == TWIN_TASK)
    base, head = load_model(root / "base"), load_head(root / "heads", task.id)
    again = train.rehearsal_images(data, extra)
    twin = timed(seconds, "twin", lambda: train.train_expert(base, task, head, again, TWIN))
    save_model(twin, root / "twin" / "twin")
    return seconds


def train_narrow(data: list[Data], extra: Extra, root: Path) -> Seconds:
    """Train a family of half the width, and keep the last steps of its scripts expert."""
    return train_family(NARROW, data, extra, root, {RUN_TASK: keep_steps(root / RUN)})


def train_family(
    family: Family,
    data: list[Data],
    extra: Extra,
    root: Path,
    watchers: dict[str, train.After] | None = None,
) -> Seconds:
    """Train and write base, heads and experts; return the seconds each took.

    Args:
        family: What is trained.
        data: The tasks.
        extra: A labelled set that only the base sees.
        root: Folder of all sets.
        watchers: What is called after every step of an expert, by task.
    """
    seconds: Seconds = {}
    folder, name = root / family.name, family.name
    base = timed(
        seconds,
        f"{name} base",
        lambda: train.train_base(data, extra, family.base, family.width),
    )
    save_model(base, folder / "base", family.dtype)
    base = rounded(base, family.dtype).eval()
    save_heads(base, data, folder / "heads")
    again = train.rehearsal_images(data, extra)
    for task in data:
        head, after = load_head(folder / "heads", task.id), (watchers or {}).get(task.id)
        work = partial(train.train_expert, base, task, head, again, train.GENTLE, after)
        expert = timed(seconds, f"{name} {task.id}", work)
        save_model(expert, folder / task.id, family.dtype)
    return seconds


def keep_steps(folder: Path) -> train.After:
    """Return what stores a run's model at the steps in ``KEPT``, but the last: it is the expert."""

    def after(model: nn.Module, step: int) -> None:
        if step in KEPT[:-1]:
            save_model(copy.deepcopy(model), folder / f"step{step}")

    return after
