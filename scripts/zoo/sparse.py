"""Train the sparse set: a pruned expert, copies retrained with its zeros, and one more cycle.

As in Sparse Model Soups (Zimmer, Spiegel, Pokutta 2023): prune, retrain copies that keep the zeros,
average them, and begin again with the average. Of the second cycle only the average is kept.
"""

import copy
import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from merging.evaluation import Task, score
from merging.evaluation.tasks import HALVES, load_task
from scripts.zoo import train
from scripts.zoo.lesson_models import Extra, Seconds
from scripts.zoo.models import load_head, load_model, rounded, save_model, timed
from scripts.zoo.sources import Data

NAME, PARENT, NEXT = "sparse", "parent", "next"
DENSE, TASK = "narrow", "scripts"
COPIES = ("copy1", "copy2", "copy3")
SHARES = (0.7, 0.85)  # of every weight matrix that is zero, by cycle
SEEDS = ((6, 7, 8), (9, 10, 11))
RETRAIN = replace(train.GENTLE, steps=600, seed=SEEDS[0][0])
RULE = "in every weight matrix of the layers the smallest weights are zero, by magnitude"


def train_sparse(data: list[Data], extra: Extra, root: Path) -> Seconds:
    """Prune the narrow scripts expert, retrain, average, and do it once more."""
    seconds: Seconds = {}
    task = next(task for task in data if task.id == TASK)
    dense, head = root / DENSE, load_head(root / DENSE / "heads", TASK)
    again, anchor = train.rehearsal_images(data, extra), load_model(dense / "base")
    current, found = load_model(dense / TASK), []
    for cycle, (share, seeds) in enumerate(zip(SHARES, SEEDS, strict=True)):
        parent = rounded(pruned(current, share)).eval()
        hold, copies = keep_zeros(parent), []
        for name, seed in zip(COPIES, seeds, strict=True):
            work = partial(
                train.train_expert,
                parent, task, head, again, replace(RETRAIN, seed=seed), hold, anchor,
            )  # fmt: skip
            made = timed(seconds, f"sparse cycle {cycle + 1} {name}", work)
            copies.append(rounded(made).eval())
        soup = rounded(average(copies)).eval()
        kept = {"parent": parent, **dict(zip(COPIES, copies, strict=True)), "soup": soup}
        found.append({"sparsity": share, "seeds": list(seeds)} | measured(kept, root))
        if cycle == 0:
            for name, model in [(PARENT, parent), *zip(COPIES, copies, strict=True)]:
                save_model(copy.deepcopy(model), root / NAME / name)
        current = soup
    save_model(current, root / NAME / NEXT)
    facts = {"rule": RULE, "retraining": asdict(RETRAIN), "cycles": found}
    (root / NAME / "cycles.json").write_text(json.dumps(facts, indent=1) + "\n")
    return seconds


@torch.no_grad()
def pruned(model: nn.Module, share: float) -> nn.Module:
    """Return a copy whose smallest weights are zero: a share of each matrix, by magnitude."""
    made = copy.deepcopy(model)
    for weights in matrices(made):
        smallest = weights.abs().flatten().argsort(stable=True)[: round(share * weights.numel())]
        weights.view(-1)[smallest] = 0
    return made


def keep_zeros(parent: nn.Module) -> train.After:
    """Return what sets the parent's zeros to zero again after every step."""
    masks = [weights != 0 for weights in matrices(parent)]

    @torch.no_grad()
    def after(model: nn.Module, step: int) -> None:
        for weights, mask in zip(matrices(model), masks, strict=True):
            weights.mul_(mask)

    return after


@torch.no_grad()
def average(models: list[nn.Module]) -> nn.Module:
    """Return the plain average of models: zero where all of them are."""
    made = copy.deepcopy(models[0])
    for mean, *parts in zip(*(m.parameters() for m in (made, *models)), strict=True):
        mean.copy_(torch.stack(parts).mean(0))
    return made


def matrices(model: nn.Module) -> list[Tensor]:
    """Return the weight matrices of the layers: the only parameters with two dimensions."""
    return [part for part in model.parameters() if part.ndim == 2]


def measured(models: dict[str, nn.Module], root: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Return accuracy by half, model and task."""
    return {
        half: {
            name: {t: float(bits.mean()) for t, bits in score(model, _tasks(root, half)).items()}
            for name, model in models.items()
        }
        for half in HALVES
    }


def _tasks(root: Path, half: str) -> list[Task]:
    preprocess = {"mean": train.MEAN, "std": train.STD}
    heads = root / DENSE / "heads"
    return [
        load_task(p.stem, root / "eval" / p.name, p, half, preprocess)
        for p in sorted(heads.glob("*.safetensors"))
    ]
