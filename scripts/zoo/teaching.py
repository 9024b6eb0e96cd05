"""The sets for teaching, as data, and what is computed from their weights.

The weak and the narrow family are finished as gentle and bold are. The others hold few models of
one task; their cards say what each scores alone, how far it went, and what their average is worth.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from merging.evaluation import score, vision_model
from merging.evaluation.record import save_runs
from merging.evaluation.tasks import HALVES
from merging.experiment import merge_and_evaluate
from merging.recipe import Recipe, make_recipe
from merging.sets import open_set
from merging.sets.bundled import tasks
from scripts.zoo import finish, lesson_models, sparse, train
from scripts.zoo.sources import Data

Train = Callable[[list[Data], tuple[np.ndarray, np.ndarray], Path], dict[str, float]]
STEPS = tuple(f"step{step}" for step in lesson_models.KEPT)
LAST = {"folder": f"narrow/{lesson_models.RUN_TASK}"}
HALF = 0.5  # of two experts: their plain average


@dataclass(frozen=True)
class Teaching:
    """A set for teaching.

    Attributes:
        train: Makes its models, and those of another set that fall out of the same training.
        schedules: How they are trained, by what is trained.
        base, heads: Their folders, from the folder of all sets.
        own: The set whose experts are the measure; "" for its own.
        experts: Entries of the card; empty for an expert of every task.
        average: Experts of the first experiment; empty for all, added up.
        slider: Whether every step of λ ships with it.
    """

    train: Train
    schedules: Mapping[str, train.Schedule]
    base: str = "base"
    heads: str = "heads"
    own: str = ""
    experts: tuple[dict[str, Any], ...] = ()
    average: tuple[str, ...] = ()
    slider: bool = False


def _one(name: str, label: str, task: str, **more: object) -> dict[str, Any]:
    return {"id": name, "label": label, "task": task, **more}


_RETRAINED = {
    name: replace(sparse.RETRAIN, seed=seed)
    for name, seed in zip(sparse.COPIES, sparse.SEEDS[0], strict=True)
}
TEACHING = {
    "weak": Teaching(
        train=lesson_models.train_weak,
        schedules={"base": lesson_models.WEAK.base, "experts": train.GENTLE},
        base="weak/base",
        heads="weak/heads",
    ),
    "twin": Teaching(
        train=lesson_models.train_twin,
        schedules={"base": train.BASE, "digits": train.GENTLE, "twin": lesson_models.TWIN},
        own="gentle",
        experts=(
            _one("digits", "Digits", "digits", folder="gentle/digits"),
            _one("twin", "Its twin", "digits"),
        ),
        average=("digits", "twin"),
        slider=True,
    ),
    "narrow": Teaching(
        train=lesson_models.train_narrow,
        schedules={"base": lesson_models.NARROW.base, "experts": train.GENTLE},
        base="narrow/base",
        heads="narrow/heads",
    ),
    "sparse": Teaching(
        train=sparse.train_sparse,
        schedules=_RETRAINED,
        base="sparse/parent",
        heads="narrow/heads",
        own="narrow",
        experts=(
            *(_one(c, f"Copy {c[-1]}", sparse.TASK) for c in sparse.COPIES),
            _one(sparse.NEXT, "Next cycle", sparse.TASK),
        ),
        average=sparse.COPIES,
    ),
    lesson_models.RUN: Teaching(
        train=lesson_models.train_narrow,
        schedules={"base": lesson_models.NARROW.base, "run": train.GENTLE},
        base="narrow/base",
        heads="narrow/heads",
        own="narrow",
        experts=tuple(
            _one(
                f"step{step}", f"Step {step}", lesson_models.RUN_TASK, steps=step,
                **(LAST if step == lesson_models.KEPT[-1] else {}),
            )
            for step in lesson_models.KEPT
        ),
        average=STEPS,
    ),
}  # fmt: skip


def complete(root: Path, facts: dict, name: str) -> None:
    """Compute references, sketch, shipped runs and the card of a set from its weights."""
    about = TEACHING[name]
    finish.write_stub(root, name, facts, list(about.experts) or None, _more(root, about))
    finish.write_references(root, name)
    finish.write_sketch(root, name)
    if not about.average:
        finish.write_runs(root, name)
        finish.write_scores(root, name)
        return
    path = root / name / "card.json"
    card = json.loads(path.read_text())
    halves = {half: finish.score_references(root, name, half) for half in HALVES}
    card["scores"] = finish.scores(halves)
    card["alone"] = {half: alone(root, name, half) for half in HALVES}
    chosen = recipes(root, name)
    card["claims"] = {
        title: finish.claim(root, recipe, halves["reporting"]) for title, recipe in chosen.items()
    }
    card["distances"] = distances(root, name)
    cycles = root / name / "cycles.json"
    if cycles.exists():
        card["sparse"] = json.loads(cycles.read_text())
    finish.write_json(path, card)
    write_runs(root, name, chosen)


def _more(root: Path, about: Teaching) -> dict[str, Any]:
    """What the card of a set for teaching says besides."""
    weights = load_file(root / about.base / "model.safetensors")
    return {
        "teaching": True,
        "base": about.base,
        "heads": about.heads,
        "own": about.own,
        "parameters": sum(tensor.numel() for tensor in weights.values()),
        "training": {what: asdict(schedule) for what, schedule in about.schedules.items()},
    }


def recipes(root: Path, name: str) -> dict[str, Recipe]:
    """Return the merges that the card speaks of; λ is chosen for the experts' task alone."""
    about = TEACHING[name]
    task = about.experts[0]["task"]
    scales = [round(0.05 * i, 2) for i in range(1, 21)]

    def tuning_score(recipe: Recipe) -> float:
        found = merge_and_evaluate(recipe, root=root, half="tuning").correct[task]
        return float(found.mean())

    return {
        "average": make_recipe("linear", about.average, set=name),
        "sum": _added(name, about.average, 1.0),
        "task_arithmetic": max((_added(name, about.average, s) for s in scales), key=tuning_score),
    }


def write_runs(root: Path, name: str, chosen: dict[str, Recipe]) -> None:
    """Measure the first experiment, what the card speaks of, and every expert alone."""
    about = TEACHING[name]
    scales = finish.FIRST_SCALES if about.slider else ()
    first = [_added(name, about.average, HALF)] if about.slider else []
    every = [*first, *chosen.values(), *(_added(name, about.average, s) for s in scales)]
    every += [_added(name, (e["id"],), 1.0) for e in about.experts]
    unlike = {recipe.key(): recipe for recipe in every}
    runs = [finish.run_recipe(root, recipe) for recipe in unlike.values()]
    save_runs(runs, root / name / "runs.safetensors")


def alone(root: Path, name: str, half: str) -> dict[str, dict]:
    """Return what each expert scores on every task."""
    opened = open_set(name, root)
    config, every = opened.base.config(), tasks(name, half, root)
    return {
        expert: finish.accuracies(score(vision_model(config, _weights(folder.path)), every))
        for expert, folder in opened.experts.items()
    }


def distances(root: Path, name: str) -> dict[str, dict[str, float]]:
    """Return how far each expert is from the base and from each other, and cosines of changes."""
    opened = open_set(name, root)
    base = _flat(opened.base.path)
    moves = {expert: _flat(folder.path) - base for expert, folder in opened.experts.items()}
    pairs = [(a, b) for a in moves for b in moves if a < b]
    return {
        "from_base": {expert: float(move.norm()) for expert, move in moves.items()},
        "apart": {f"{a} {b}": float((moves[a] - moves[b]).norm()) for a, b in pairs},
        "cosine": {
            f"{a} {b}": float(moves[a] @ moves[b] / (moves[a].norm() * moves[b].norm()))
            for a, b in pairs
        },
    }


def check(root: Path, name: str, halves: tuple[str, ...] = HALVES) -> list[str]:
    """Compare the committed weights with the card on some halves; return what differs."""
    problems = finish.check_set(root, name, halves)
    said = open_set(name, root).card.get("alone", {})
    for half in halves if said else ():
        for expert, found in alone(root, name, half).items():
            for task, now in found.items():
                told = said[half][expert][task]["value"]
                if abs(now["value"] - told) > finish.TOLERANCE:
                    problems.append(
                        f"{name} {half} {expert} {task}: card {told:.4f}, now {now['value']:.4f}"
                    )
    return problems


def sizes(root: Path, name: str) -> dict[str, int]:
    """Return the bytes of a set's own folder: as it lies there, and as git packs it."""
    parts = [path.read_bytes() for path in sorted((root / name).rglob("*")) if path.is_file()]
    return {"bytes": sum(map(len, parts)), "packed": sum(len(zlib.compress(p, 6)) for p in parts)}


def _added(name: str, experts: tuple[str, ...], scale: float) -> Recipe:
    return make_recipe("task_arithmetic", experts, set=name, params={"scale": scale})


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def _flat(folder: Path) -> torch.Tensor:
    weights = _weights(folder)
    return torch.cat([weights[n].double().flatten() for n in sorted(weights)])
