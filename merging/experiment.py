"""Merge and evaluate: one recipe of a bundled set to a run record."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from merging.engine import Outcome, make_plan, run
from merging.engine.cache import Intermediates
from merging.engine.reading import Progress, Scorer
from merging.errors import ResourceError
from merging.evaluation import Bits, Task, score, vision_model
from merging.evaluation.record import RunRecord
from merging.evaluation.tasks import every_nth
from merging.recipe import Recipe
from merging.sets import ModelSet, open_set, tasks

MERGE_SHARE = 0.25
CHOOSING_SHARE = 0.75  # where merging scores many models to choose by
SCORER_STEP = 6

Build = Callable[[Mapping[str, Any], Mapping[str, Tensor]], torch.nn.Module]


def merge_recipe(
    recipe: Recipe,
    progress: Progress = lambda fraction, message: None,
    root: Path | None = None,
    device: str | None = None,
    cache: Intermediates | None = None,
) -> tuple[ModelSet, Outcome]:
    """Merge a recipe of a bundled set.

    Methods that choose by held-out data do so by ``tuning_scorer``.

    Raises:
        MergeError: As opening the set, planning and running do.
    """
    opened = open_set(recipe.set or "", root)
    opened.check(recipe)
    plan = make_plan(recipe, opened.base, opened.experts)
    scorer = tuning_scorer(opened) if recipe.spec.needs.data == "scorer" else None
    return opened, run(plan, progress, device, scorer=scorer, cache=cache)


def tuning_scorer(opened: ModelSet) -> Scorer:
    """Return what scores a whole model of a set: mean accuracy over all tasks, in [0, 1].

    On every sixth image of the tuning half, so that a greedy soup over five experts, which scores
    nine models, answers within five seconds. The reporting half is never looked at.
    """
    config = opened.base.config()
    few = [every_nth(task, SCORER_STEP) for task in tasks(opened.id, "tuning", opened.root)]

    def scorer(weights: Mapping[str, Tensor]) -> float:
        copied = {n: opened.base.load(n) for n in opened.base.tensors() if n not in weights}
        found = score(vision_model(config, {**copied, **weights}), few)
        return sum(float(bits.mean()) for bits in found.values()) / len(found)

    return scorer


def merge_and_evaluate(
    recipe: Recipe,
    progress: Progress = lambda fraction, message: None,
    root: Path | None = None,
    half: str = "reporting",
    device: str | None = None,
    cache: Intermediates | None = None,
) -> RunRecord:
    """Merge a recipe of a bundled set and score it on all of the set's tasks.

    The weights are scored as they would be downloaded, rounded to the output type. Where the
    method returns one model per task, each task is scored with that of its expert, and a task
    whose expert is not in the recipe with the merged weights.

    Args:
        recipe: Names a set.
        progress: Called with the share done and a word; it may raise ``Cancelled``.
        root: Folder of the sets.
        half: ``reporting`` or ``tuning``.
        device: Where to compute; CUDA when there is one by default.
        cache: Keeps intermediate results for the next merge of the same models.

    Raises:
        MergeError: As opening the set, planning, running and scoring do.
    """
    share = CHOOSING_SHARE if recipe.spec.needs.data == "scorer" else MERGE_SHARE
    opened, outcome = merge_recipe(
        recipe, lambda done, word: progress(done * share, word), root, device, cache
    )
    begin = time.perf_counter()
    try:
        correct = score_outcome(
            opened,
            outcome,
            tasks(opened.id, half, root),
            lambda done, word: progress(share + done * (1 - share), word),
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
        outcome.per_task is not None,
    )


def score_outcome(
    opened: ModelSet,
    outcome: Outcome,
    todo: tuple[Task, ...],
    progress: Progress = lambda fraction, message: None,
    build: Build = vision_model,
) -> dict[str, Bits]:
    """Return per task which items an outcome answers correctly, each task with its own model.

    Of two experts of one task the first counts, as in the page's letters.

    Args:
        opened: The set that was merged.
        outcome: A finished merge with its tensors.
        todo: What to score.
        progress: Called with the share done; it may raise ``Cancelled``.
        build: Makes a model of a config and weights; each is scored before the next is made.
    """
    config = {**opened.base.config(), **outcome.config}
    if outcome.per_task is None:
        return score(build(config, outcome.tensors), todo, progress, outcome.device)
    expert_of = {opened.task_of(e.id): e.id for e in reversed(outcome.recipe.experts)}
    found: dict[str, Bits] = {}
    for index, task in enumerate(todo):

        def part(done: float, word: str, index: int = index) -> None:
            progress((index + done) / len(todo), word)

        weights = outcome.weights_of(expert_of.get(task.id, ""), opened.base)
        found |= score(build(config, weights), [task], part, outcome.device)
    return found
