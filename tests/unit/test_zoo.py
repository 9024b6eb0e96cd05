"""The bundled models: what they must show, and that the committed weights still score so."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from transformers import ViTModel

from merging.sets import open_set, references, set_names, shipped_runs, sketch
from merging.sets.bundled import ROOT
from scripts.zoo import finish, table, teaching

EASY = 3


def card(name: str) -> dict:
    return json.loads((ROOT / name / "card.json").read_text())


def accuracies(name: str, who: str) -> dict[str, float]:
    return {t: s["value"] for t, s in card(name)["scores"]["reporting"][who].items()}


def test_two_families_share_base_tasks_and_images() -> None:
    assert set_names()[:2] == ("gentle", "bold")
    assert card("gentle")["tasks"] == card("bold")["tasks"]
    assert open_set("gentle").base.path == open_set("bold").base.path


def test_every_task_names_source_licence_and_classes() -> None:
    for task in card("gentle")["tasks"]:
        assert len(task["source"]) > 20 and len(task["licence"]) >= 3 and task["split"]
        assert len(set(task["classes"])) == len(task["classes"]) >= 10
        items = 250 if task["id"] == "optical" else 500
        assert task["tuning"] == task["reporting"] == items


def test_training_and_evaluation_items_do_not_overlap() -> None:
    from safetensors.torch import load_file

    for task in card("gentle")["tasks"]:
        stored = load_file(ROOT / "eval" / f"{task['id']}.safetensors")
        hashes = [
            {hashlib.sha256(i.numpy().tobytes()).digest() for i in stored[f"{half}/images"]}
            for half in ("tuning", "reporting")
        ]
        assert not hashes[0] & hashes[1], task["id"]


def test_gentle_shows_what_it_must() -> None:
    own, base = accuracies("gentle", "own"), accuracies("gentle", "base")
    claims, scores = card("gentle")["claims"], card("gentle")["scores"]["reporting"]
    floor = scores["base_normalised"]["value"]
    assert sum(sorted(own.values())[-EASY:]) / EASY >= 0.88
    assert sum(own[t] - base[t] for t in own) / len(own) >= 0.04
    assert 0.80 <= floor <= 0.93
    assert claims["sum"]["mean"]["value"] < 0.65
    for claim in ("average", "task_arithmetic", "ties", "dare"):
        assert claims[claim]["mean"]["value"] > floor, claim


def test_bold_shows_what_it_must() -> None:
    kept = card("bold")["single"]
    assert kept["0.9"]["value"] >= 0.93
    assert kept["0.99"]["value"] < 0.9


@pytest.mark.parametrize("name", ["gentle", "bold"])
def test_committed_weights_score_as_their_card_says(name: str) -> None:
    assert finish.check_set(ROOT, name) == []


@pytest.mark.parametrize("name", ["gentle", "bold"])
def test_transformers_loads_every_model(name: str) -> None:
    opened = open_set(name)
    for folder in (opened.base, *opened.experts.values()):
        model = ViTModel.from_pretrained(folder.path, add_pooling_layer=False)
        assert sum(p.numel() for p in model.parameters()) == card(name)["parameters"]


@pytest.mark.parametrize("name", ["gentle", "bold"])
def test_sketch_is_of_these_weights(name: str) -> None:
    """Every weight is in it, so that all figures of the page are exact."""
    opened, shipped = open_set(name), sketch(name)
    assert shipped.experts == tuple(sorted(opened.experts))
    assert shipped.whole and not shipped.quick
    for row, expert in enumerate(shipped.experts):
        flat = torch.cat(
            [
                (opened.experts[expert].load(p.tensor).float() - opened.base.load(p.tensor).float())
                .flatten()
                for p in shipped.parts
            ]
        )  # fmt: skip
        assert torch.equal(shipped.deltas[row], flat)
        assert shipped.norms()[row].item() == pytest.approx(flat.double().norm().item(), rel=1e-6)
        middle = flat.abs().sort().values[round((len(flat) - 1) / 2)]
        assert shipped.sizes(expert, [0.5]) == [middle]


@pytest.mark.parametrize("name", ["gentle", "bold", "stranger"])
def test_shipped_sketches_equal_fresh_ones(name: str) -> None:
    shipped, fresh = sketch(name), finish.fresh_sketch(ROOT, name)
    assert (shipped.identity, shipped.parts) == (fresh.identity, fresh.parts)
    assert (shipped.experts, shipped.seed) == (fresh.experts, fresh.seed)
    for array in ("index", "base", "deltas", "nonzero", "levels", "model_levels"):
        assert torch.equal(getattr(shipped, array), getattr(fresh, array)), array
    for array in ("l1", "dots"):  # other processors add up in another order
        assert torch.allclose(getattr(shipped, array), getattr(fresh, array), rtol=1e-9), array


@pytest.mark.parametrize("name", ["gentle", "bold"])
def test_first_experiment_ships_with_its_whole_slider(name: str) -> None:
    runs = shipped_runs(name)
    scales = [r.recipe.settings().number("scale") for r in runs]
    assert scales[0] == 1.0 and sorted(scales) == [round(0.05 * i, 2) for i in range(41)]
    known = references(name).base
    zero = runs[scales.index(0.0)]
    assert all((zero.correct[task] == known[task]).all() for task in known)


def test_size_in_git() -> None:
    """Those of the sets for teaching are measured beside them."""
    files = [path for path in Path(ROOT).rglob("*") if path.is_file()]
    lent = [p for p in files if p.relative_to(ROOT).parts[0] in teaching.TEACHING]
    assert sum(p.stat().st_size for p in files if p not in lent) <= 27e6
    assert max(p.stat().st_size for p in files) <= 10e6


def test_readme_has_the_figures_of_the_cards() -> None:
    assert table.tables(ROOT) in table.README.read_text("utf-8")
