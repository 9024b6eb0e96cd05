"""The set of strangers: a second base from other first weights, and a digits expert of it.

Everything but the first weights and the order of images is as for the first base, so that the two
differ in their coordinates more than in what they know. Heads stay those of the first base; the
strangers are also scored with heads of their own, which only the card uses.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from merging.evaluation import Task, load_task, score, vision_model
from merging.evaluation.record import save_runs
from merging.evaluation.tasks import HALVES
from merging.experiment import merge_recipe
from merging.recipe import Recipe, make_recipe
from merging.sets import open_set
from merging.sets.bundled import tasks
from scripts.zoo import finish
from scripts.zoo.sources import Data

NAME = "stranger"
STRANGERS = ("stranger_base", "stranger")
EXPERTS = [
    {"id": "digits", "label": "Digits", "task": "digits", "folder": "gentle/digits"},
    {"id": "stranger_base", "label": "Stranger base", "task": ""},
    {"id": "stranger", "label": "Stranger digits", "task": "digits"},
]
PAIR = ("digits", "stranger")
FIRST_SCALE = 0.5  # of two experts: their plain average
SEEDS = 10
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)


def train(data: list[Data], extra: tuple[np.ndarray, np.ndarray], root: Path) -> dict[str, float]:
    """Train and write base, heads and expert; return the seconds each took."""
    from scripts.zoo import train
    from scripts.zoo.models import load_head, rounded, save_heads, save_model, timed

    folder, seconds = root / NAME, dict[str, float]()
    base = timed(seconds, "stranger base", lambda: train.train_base(data, extra, train.STRANGER))
    save_model(base, folder / "stranger_base")
    base = rounded(base).eval()
    save_heads(base, data, folder / "heads")
    digits = next(task for task in data if task.id == "digits")
    head, rehearsed = load_head(folder / "heads", "digits"), train.rehearsal_images(data, extra)
    expert = timed(
        seconds,
        "stranger digits",
        lambda: train.train_expert(base, digits, head, rehearsed, train.GENTLE),
    )
    save_model(expert, folder / "stranger")
    return seconds


def complete(root: Path, facts: dict) -> None:
    """Compute references, sketch, shipped runs and the card from the weights."""
    finish.write_stub(root, NAME, facts, EXPERTS)
    path = root / NAME / "card.json"
    card = json.loads(path.read_text()) | {"own": "gentle"}
    training = facts["training"]
    card["training"] = {
        "base": training["base"],
        "stranger_base": training[NAME],
        "experts": training["gentle"],
    }
    finish.write_json(path, card)
    finish.write_references(root, NAME)
    finish.write_sketch(root, NAME)
    halves = {half: finish.score_references(root, NAME, half) for half in HALVES}
    card["scores"] = finish.scores(halves)
    card["strangers"] = {half: alone(root, half) for half in HALVES}
    chosen = recipes(root, halves["tuning"]["own"])
    card["claims"] = {
        title: finish.claim(root, recipe, halves["reporting"]) for title, recipe in chosen.items()
    }
    card["distances"] = distances(root)
    card["seeds"] = by_seed(root)
    finish.write_json(path, card)
    write_runs(root, chosen)


def recipes(root: Path, own: dict) -> dict[str, Recipe]:
    """Return the merges that the card speaks of; λ and ρ are chosen on the tuning half."""
    scales = [round(0.05 * i, 2) for i in range(1, 17)]
    strength = [_pair("task_arithmetic", scale=scale) for scale in scales]
    widths = [_pair("pleas", ratio=ratio) for ratio in RATIOS]
    return {
        "average_of_bases": make_recipe("linear", ("digits", "stranger_base"), set=NAME),
        "average": _pair("linear"),
        "task_arithmetic": finish.best(root, strength, own),
        "git_rebasin": _pair("git_rebasin"),
        "pleas": finish.best(root, widths, own),
    }


def write_runs(root: Path, chosen: dict[str, Recipe]) -> None:
    """Measure the first experiment at every step of its slider, and the aligned merges."""
    scales = (FIRST_SCALE, *(s for s in finish.FIRST_SCALES if s != FIRST_SCALE))
    plain = [_pair("task_arithmetic", scale=scale) for scale in scales]
    every = [*plain, chosen["git_rebasin"], chosen["pleas"]]
    save_runs([finish.run_recipe(root, r) for r in every], root / NAME / "runs.safetensors")


def alone(root: Path, half: str) -> dict[str, dict]:
    """Score the strangers with the first base's heads and with their own."""
    opened = open_set(NAME, root)
    heads = {"first_heads": tasks(NAME, half, root), "own_heads": _own_heads(root, half)}
    found: dict[str, dict] = {}
    for name in STRANGERS:
        weights = load_file(opened.experts[name].path / "model.safetensors")
        model = vision_model(opened.base.config(), weights)
        found[name] = {who: finish.accuracies(score(model, t)) for who, t in heads.items()}
    return found


def distances(root: Path) -> dict[str, float]:
    """Return how far the stranger is from the digits expert and the base, before and after.

    An average lies halfway: the aligned stranger is twice the merge less the first model.
    """
    opened, merge = merge_recipe(_pair("git_rebasin").patched(dtype="float32"), root=root)
    first, stranger = (_wide(load_file(opened.experts[e].path / "model.safetensors")) for e in PAIR)
    base = _wide(load_file(opened.base.path / "model.safetensors"))
    aligned = {n: 2 * t - first[n] for n, t in merge.tensors.items()}
    return {
        "digits_before": _apart(first, stranger),
        "digits_after": _apart(first, aligned),
        "base_before": _apart(base, stranger),
        "base_after": _apart(base, aligned),
    }


def by_seed(root: Path) -> list[dict[str, float]]:
    """Return what the order of visits is worth: accuracies of Git Re-Basin for each seed."""
    found = []
    for seed in range(SEEDS):
        correct = finish.run_recipe(root, _pair("git_rebasin").patched(seed=seed)).correct
        found.append({task: float(bits.mean()) for task, bits in sorted(correct.items())})
    return found


def check(root: Path) -> list[str]:
    """Compare the strangers' own scores with the card; return what differs."""
    card = open_set(NAME, root).card
    problems = finish.check_set(root, NAME)
    for half in HALVES:
        for name, heads in alone(root, half).items():
            for who, found in heads.items():
                for task, now in found.items():
                    said = card["strangers"][half][name][who][task]["value"]
                    if abs(now["value"] - said) > finish.TOLERANCE:
                        problems.append(
                            f"{name} {half} {who} {task}: card {said:.4f}, now {now['value']:.4f}"
                        )
    return problems


def _pair(method: str, **params: float) -> Recipe:
    return make_recipe(method, PAIR, set=NAME, params=params)


def _own_heads(root: Path, half: str) -> list[Task]:
    card = open_set(NAME, root).card
    return [
        load_task(
            task["id"],
            root / "eval" / f"{task['id']}.safetensors",
            root / NAME / "heads" / f"{task['id']}.safetensors",
            half,
            card["preprocess"],
        )
        for task in card["tasks"]
    ]


def _wide(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.double() for name, tensor in state.items()}


def _apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return sum(float((one[n] - other[n].double()).square().sum()) for n in one) ** 0.5
