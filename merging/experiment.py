"""Merge and evaluate: one recipe of a bundled set to a run record."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from merging.engine import Outcome, TensorReport, make_plan, run
from merging.engine.run import Progress
from merging.evaluation import Bits, score, vision_model
from merging.recipe import Recipe
from merging.sets import ModelSet, open_set, tasks

MERGE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One recipe, merged and scored on the reporting half.

    Attributes:
        key: Hash of the recipe.
        recipe: What was merged.
        correct: Per task which items were answered correctly, shape (items,).
        report: What was done to every tensor.
        merge_seconds, score_seconds: Wall times.
        device: Where it ran.
    """

    key: str
    recipe: Recipe
    correct: Mapping[str, Bits]
    report: tuple[TensorReport, ...]
    merge_seconds: float
    score_seconds: float
    device: str


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
    correct = score(
        model,
        tasks(opened.id, half, root),
        lambda done, word: progress(MERGE_SHARE + done * (1 - MERGE_SHARE), word),
        outcome.device,
    )
    return RunRecord(
        recipe.key(),
        recipe,
        correct,
        outcome.report,
        outcome.seconds,
        time.perf_counter() - begin,
        outcome.device,
    )
