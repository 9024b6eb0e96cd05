"""From trained weights to a finished set: references, sketch, shipped runs and the card.

Everything here goes through the library, so that the card says what the app would show.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from merging.evaluation import Bits, compare, normalised, score, vision_model
from merging.evaluation.intervals import Comparison, wilson
from merging.evaluation.record import RunRecord, save_runs
from merging.evaluation.tasks import HALVES
from merging.experiment import merge_and_evaluate
from merging.recipe import Recipe, make_recipe, parse_recipe, write_recipe
from merging.sets import CARD_FORMAT, open_set
from merging.sets.bundled import tasks
from merging.sketch import Sketch, build_sketch, save_sketch, weights_identity

WORDS = {
    "gentle": ("Gentle", "Smaller changes; experts rehearsed little."),
    "bold": ("Bold", "Larger changes; experts rehearsed more."),
    "stranger": (
        "Stranger",
        "A digits expert, and a base and a digits expert that began with other random weights.",
    ),
    "weak": ("Weak base", "For lessons: as Gentle, from a base trained a quarter as long."),
    "twin": (
        "Twin",
        "For lessons: the gentle digits expert, and one trained on the same images in another "
        "order.",
    ),
    "narrow": ("Narrow", "For lessons: as Gentle, half as wide."),
    "sparse": (
        "Sparse",
        "For lessons: 70 % of a scripts expert's weights are cut off. Three copies were trained "
        "again from that, and once more from their average at 85 %.",
    ),
    "checkpoints": (
        "Checkpoints",
        "For lessons: one training run of a narrow scripts expert, stored six times.",
    ),
}
FIRST_SCALES = tuple(round(0.05 * i, 2) for i in range(41))
TOLERANCE = 0.01  # 5 of 500 items: other processors round sums differently


def write_stub(
    root: Path,
    name: str,
    facts: dict,
    experts: list[dict] | None = None,
    more: dict | None = None,
) -> None:
    """Write a card without scores, so that the library can open the set.

    Args:
        root: Folder of all sets.
        name: The set.
        facts: What the weights do not know.
        experts: Their entries in the card; one for every task by default.
        more: What the card says besides or instead; its base is the common one without.
    """
    label, summary = WORDS[name]
    experts = experts or [
        {"id": t["id"], "label": t["label"], "task": t["id"]} for t in facts["tasks"]
    ]
    card = {
        "format": CARD_FORMAT,
        "id": name,
        "order": list(WORDS).index(name),
        "label": label,
        "summary": summary,
        "base": "base",
        "parameters": facts["parameters"],
        "licence": "Apache-2.0",
        "preprocess": facts["preprocess"],
        "experts": experts,
        "tasks": facts["tasks"],
        **(more or {"training": _training(name, facts["training"])}),
    }
    write_json(root / name / "card.json", card)


def _training(name: str, known: dict) -> dict:
    return {"base": known["base"], "experts": known[name]}


def score_references(root: Path, name: str, half: str) -> dict[str, dict[str, Bits]]:
    """Score the base on all tasks and every expert on its own.

    A card may name another set in ``own``, whose experts are the measure then.
    """
    opened = open_set(name, root)
    measure = open_set(opened.card.get("own") or name, root)
    every = {t.id: t for t in tasks(name, half, root)}
    config = opened.base.config()
    base = load_file(opened.base.path / "model.safetensors")
    found = {"base": score(vision_model(config, base), every.values()), "own": {}}
    for expert, folder in measure.experts.items():
        task = every[measure.task_of(expert)]
        model = vision_model(config, load_file(folder.path / "model.safetensors"))
        found["own"] |= score(model, [task])
    return found


def write_references(root: Path, name: str) -> None:
    """Store which reporting items base and own experts answer correctly."""
    found = score_references(root, name, "reporting")
    arrays = {
        f"{who}/{task}": torch.from_numpy(bits.astype(np.uint8))
        for who, parts in found.items()
        for task, bits in parts.items()
    }
    save_file(arrays, root / name / "references.safetensors")


def write_sketch(root: Path, name: str) -> None:
    """Summarise the deltas of a set, without what the weights beside it say."""
    opened = open_set(name, root)
    weights = weights_identity(opened.base, opened.experts)
    save_sketch(fresh_sketch(root, name), root / name / "sketch.safetensors", weights)


def fresh_sketch(root: Path, name: str) -> Sketch:
    """Build the sketch of a set, with every weight in it: the sets are small."""
    opened = open_set(name, root)
    return build_sketch(opened.base, opened.experts, whole=opened.card["parameters"])


def write_runs(root: Path, name: str) -> None:
    """Measure the first experiment at every step of its slider: strength 1 comes first."""
    experts = tuple(open_set(name, root).experts)
    scales = (1.0, *(s for s in FIRST_SCALES if s != 1.0))
    runs = [run_recipe(root, _sum(name, experts, scale)) for scale in scales]
    save_runs(runs, root / name / "runs.safetensors")


def write_scores(root: Path, name: str) -> dict:
    """Measure what the card claims, with strengths chosen on the tuning half."""
    path = root / name / "card.json"
    card = json.loads(path.read_text())
    experts = tuple(e["id"] for e in card["experts"])
    halves = {half: score_references(root, name, half) for half in HALVES}
    card["scores"] = scores(halves)
    card["claims"] = _claims(root, name, experts, halves)
    card["single"] = _single_dare(root, name, experts, halves["reporting"])
    write_json(path, card)
    return card


def scores(halves: dict[str, dict[str, dict[str, Bits]]]) -> dict:
    """Return what a card says of base and own experts, by half."""
    return {
        half: {
            "base": accuracies(found["base"]),
            "own": accuracies(found["own"]),
            "base_normalised": asdict(normalised(found["base"], found["own"])[1]),
        }
        for half, found in halves.items()
    }


def check_set(root: Path, name: str, halves: tuple[str, ...] = HALVES) -> list[str]:
    """Score the committed weights again and compare with the card; return what differs."""
    card = open_set(name, root).card
    problems, own = [], {}
    for half in halves:
        found = score_references(root, name, half)
        own[half] = found["own"]
        for who in ("base", "own"):
            for task, bits in found[who].items():
                said = card["scores"][half][who][task]["value"]
                if abs(float(bits.mean()) - said) > TOLERANCE:
                    problems.append(
                        f"{name} {half} {who} {task}: card {said:.4f}, now {bits.mean():.4f}"
                    )
    for title, said in card["claims"].items():
        record = merge_and_evaluate(parse_recipe(said["recipe"]), root=root)
        now = normalised(record.correct, own["reporting"])[1].value
        if abs(now - said["mean"]["value"]) > TOLERANCE:
            problems.append(f"{name} {title}: card {said['mean']['value']:.4f}, now {now:.4f}")
    return problems


def _claims(root: Path, name: str, experts: tuple[str, ...], halves: dict) -> dict:
    grid = {
        "task_arithmetic": [round(0.05 * i, 2) for i in range(1, 17)],
        "ties": [round(0.1 * i, 1) for i in range(2, 21)],
        "dare": [round(0.05 * i, 2) for i in range(1, 13)],
        "dare_ties": [round(0.05 * i, 2) for i in range(1, 13)],
    }
    recipes = {
        "sum": _sum(name, experts, 1.0),
        "average": make_recipe("linear", experts, set=name),
    }
    for method, scales in grid.items():
        tries = [make_recipe(method, experts, set=name, params={"scale": s}) for s in scales]
        recipes[method] = best(root, tries, halves["tuning"]["own"])
    found = halves["reporting"]
    return {title: claim(root, recipe, found) for title, recipe in recipes.items()}


def best(root: Path, recipes: list[Recipe], own: dict) -> Recipe:
    """Return the recipe with the best mean share on the tuning half, of equal ones the first."""

    def tuning_score(recipe: Recipe) -> float:
        record = merge_and_evaluate(recipe, root=root, half="tuning")
        return normalised(record.correct, own)[1].value

    return max(recipes, key=tuning_score)


def claim(root: Path, recipe: Recipe, found: dict) -> dict:
    """Measure one merge on the reporting half, as shares of the own experts' accuracy."""
    record = run_recipe(root, recipe)
    against_base: Comparison = compare(record.correct, found["base"], found["own"])
    return {
        "recipe": write_recipe(recipe),
        "accuracy": accuracies(record.correct),
        "mean": asdict(normalised(record.correct, found["own"])[1]),
        "above_base": asdict(against_base.mean[1]),
    }


def _single_dare(root: Path, name: str, experts: tuple[str, ...], found: dict) -> dict:
    """Share of its accuracy that a single expert keeps after DARE, mean over experts."""
    kept = {}
    for rate in (0.9, 0.99):
        runs = {}
        for expert in experts:
            recipe = make_recipe(
                "dare", [expert], set=name, params={"drop_rate": rate, "scale": 1.0}
            )
            runs[expert] = run_recipe(root, recipe).correct[expert]
        kept[str(rate)] = asdict(normalised(runs, found["own"])[1])
    return kept


def run_recipe(root: Path, recipe: Recipe) -> RunRecord:
    """Merge and score on the reporting half."""
    return merge_and_evaluate(recipe, root=root, device="cpu")


def _sum(name: str, experts: tuple[str, ...], scale: float) -> Recipe:
    return make_recipe("task_arithmetic", experts, set=name, params={"scale": scale})


def accuracies(bits: dict[str, Bits]) -> dict[str, dict]:
    """Return accuracies with their intervals, by task."""
    return {t: asdict(wilson(int(b.sum()), len(b))) for t, b in sorted(bits.items())}


def write_json(path: Path, data: dict) -> None:
    """Write a JSON object; the file appears under its name only when complete."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    partial.rename(path)
