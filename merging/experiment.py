"""Merge and evaluate: one recipe of a bundled set to a run record."""

import time
from pathlib import Path

import torch

from merging.engine import Outcome, make_plan, run
from merging.engine.reading import Progress
from merging.errors import ResourceError
from merging.evaluation import score, vision_model
from merging.evaluation.record import RunRecord
from merging.recipe import Recipe
from merging.sets import ModelSet, open_set, tasks

MERGE_SHARE = 0.25


def merge_recipe(
    recipe: Recipe,
    progress: Progress = lambda fraction, message: None,
    root: Path | None = None,
    device: str | None = None,
) -> tuple[ModelSet, Outcome]:
    """Merge a recipe of a bundled set.

    Raises:
        MergeError: As opening the set, planning and running do.
    """
    opened = open_set(recipe.set or "", root)
    opened.check(recipe)
    plan = make_plan(recipe, opened.base, opened.experts)
    return opened, run(plan, progress, device)


def merge_and_evaluate(
    recipe: Recipe,
    progress: Progress = lambda fraction, message: None,
    root: Path | None = None,
    half: str = "reporting",
    device: str | None = None,
) -> RunRecord:
    """Merge a recipe of a bundled set and score it on all of the set's tasks.

    The weights are scored as they would be downloaded, rounded to the output type.

    Args:
        recipe: Names a set.
        progress: Called with the share done and a word; it may raise ``Cancelled``.
        root: Folder of the sets.
        half: ``reporting`` or ``tuning``.
        device: Where to compute; CUDA when there is one by default.

    Raises:
        MergeError: As opening the set, planning, running and scoring do.
    """
    opened, outcome = merge_recipe(
        recipe, lambda done, word: progress(done * MERGE_SHARE, word), root, device
    )
    begin = time.perf_counter()
    model = vision_model(opened.base.config(), outcome.tensors)
    try:
        correct = score(
            model,
            tasks(opened.id, half, root),
            lambda done, word: progress(MERGE_SHARE + done * (1 - MERGE_SHARE), word),
            outcome.device,
        )
    except torch.OutOfMemoryError as error:
        raise ResourceError(
            f"Not enough memory on {outcome.device} to score the merge. Nothing was lost. "
            "Try again when other merges have ended."
        ) from error
    return RunRecord(
        recipe.key(),
        recipe,
        correct,
        outcome.report,
        outcome.seconds,
        time.perf_counter() - begin,
        outcome.device,
    )
