"""The sets for teaching: what each is for is in its weights, and it scores as its card says."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from merging.experiment import merge_recipe
from merging.recipe import make_recipe
from merging.sets import open_set, references, set_names, shipped_runs, sketch, tasks
from merging.sets.bundled import ROOT
from scripts.zoo import finish, sparse, teaching, train

NAMES = tuple(teaching.TEACHING)
FACTS = json.loads((ROOT / "facts.json").read_text())
CARDS = {name: json.loads((ROOT / name / "card.json").read_text()) for name in NAMES}
FAMILIES = ("weak", "narrow")


def weights(set_name: str, expert: str = "") -> dict[str, Tensor]:
    opened = open_set(set_name)
    folder = opened.experts[expert] if expert else opened.base
    return load_file(folder.path / "model.safetensors")


def flat(state: dict[str, Tensor]) -> Tensor:
    return torch.cat([state[name].double().flatten() for name in sorted(state)])


def alone(name: str, expert: str, task: str) -> float:
    return CARDS[name]["alone"]["reporting"][expert][task]["value"]


def claimed(name: str, claim: str, task: str) -> float:
    return CARDS[name]["claims"][claim]["accuracy"][task]["value"]


def test_they_stand_after_the_others_with_a_line_each() -> None:
    assert set_names() == ("gentle", "bold", "stranger", *NAMES)
    assert [n for n in set_names() if open_set(n).teaching] == list(NAMES)
    labels = [open_set(n).card["label"] for n in set_names()]
    assert len(set(labels)) == len(labels) and max(map(len, labels)) <= 12
    for card in CARDS.values():
        assert card["summary"].startswith("For lessons: ") and len(card["summary"]) <= 160


def test_together_they_take_at_most_15_mb_in_git() -> None:
    """Git keeps every file deflated; unpacked they are a quarter larger."""
    found = {name: teaching.sizes(ROOT, name) for name in NAMES}
    assert sum(size["packed"] for size in found.values()) <= 15e6
    assert sum(size["bytes"] for size in found.values()) <= 19e6
    for name, size in found.items():
        assert FACTS["sets"][name] == pytest.approx(size, rel=0.01), name


@pytest.mark.parametrize("name", NAMES)
def test_committed_weights_score_as_their_card_says(name: str) -> None:
    """On the reporting half; ``scripts/build_zoo --check`` scores the other one too."""
    assert teaching.check(ROOT, name, ("reporting",)) == []


@pytest.mark.parametrize("name", NAMES)
def test_sketches_and_references_are_of_these_weights(name: str) -> None:
    shipped, fresh, opened = sketch(name), finish.fresh_sketch(ROOT, name), open_set(name)
    assert shipped.whole and shipped.identity == fresh.identity
    assert torch.equal(shipped.deltas, fresh.deltas)
    assert torch.allclose(shipped.l1, fresh.l1, rtol=1e-9)
    assert {t.id for t in tasks(name, "reporting")} == set(references(name).own)
    parameters = sum(t.numel() for t in weights(name).values())
    assert parameters == opened.card["parameters"]


@pytest.mark.parametrize("name", NAMES)
def test_the_first_experiment_ships(name: str) -> None:
    runs = shipped_runs(name)
    assert len({run.key for run in runs}) == len(runs)
    assert {run.recipe.set for run in runs} == {name}
    first, average = runs[0].recipe, teaching.TEACHING[name].average
    assert tuple(e.id for e in first.experts) == (average or tuple(open_set(name).experts))
    if average:
        singles = {r.recipe.experts[0].id: r for r in runs if len(r.recipe.experts) == 1}
        task = CARDS[name]["experts"][0]["task"]
        for expert, run in singles.items():
            assert run.correct[task].mean() == pytest.approx(alone(name, expert, task), abs=0.01)
        assert set(singles) == set(open_set(name).experts)
    if not average or teaching.TEACHING[name].slider:
        added = [r.recipe for r in runs if r.recipe.method == "task_arithmetic"]
        scales = {r.settings().number("scale") for r in added if len(r.experts) > 1}
        assert scales == {round(0.05 * i, 2) for i in range(41)}


def test_families_have_gentles_recipe_tasks_and_shape() -> None:
    gentle = open_set("gentle").card
    for name in FAMILIES:
        card = CARDS[name]
        assert card["tasks"] == gentle["tasks"] and card["experts"] == gentle["experts"]
        assert card["training"]["experts"] == gentle["training"]["experts"]
        assert not card["own"] and card["heads"] == f"{name}/heads"


def test_weak_base_was_trained_a_quarter_as_long() -> None:
    known, base = CARDS["weak"]["training"]["base"], open_set("gentle").card["training"]["base"]
    assert 4 * known["steps"] == base["steps"] == train.BASE.steps
    assert {**base, **known, "steps": 0} == {**base, "steps": 0}
    own, first = references("weak"), references("gentle")
    for task in ("digits", "fashion", "scripts", "pictograms"):
        assert own.base[task].mean() < first.base[task].mean() - 0.04, task
    kept = CARDS["weak"]["scores"]["reporting"]["base_normalised"]["value"]
    assert kept < open_set("gentle").card["scores"]["reporting"]["base_normalised"]["value"] - 0.05


def test_narrow_is_half_as_wide() -> None:
    opened, gentle = open_set("narrow"), open_set("gentle")
    for folder in (opened.base, *opened.experts.values()):
        config, wide = folder.config(), gentle.base.config()
        assert (config["hidden_size"], wide["hidden_size"]) == (64, 128)
        assert config["intermediate_size"] * 2 == wide["intermediate_size"]
        same = ("num_hidden_layers", "num_attention_heads", "patch_size", "image_size")
        assert [config[key] for key in same] == [wide[key] for key in same]
    assert CARDS["narrow"]["parameters"] == 204_416
    assert CARDS["narrow"]["training"]["base"]["steps"] == train.BASE.steps


def test_twin_shares_base_and_images_but_not_the_order() -> None:
    opened, gentle = open_set("twin"), open_set("gentle")
    assert opened.base.path == gentle.base.path
    assert opened.experts["digits"].path == gentle.experts["digits"].path
    first, twin = CARDS["twin"]["training"]["digits"], CARDS["twin"]["training"]["twin"]
    assert first["seed"] != twin["seed"] and {**first, "seed": 0} == {**twin, "seed": 0}
    base = flat(weights("twin"))
    moves = [flat(weights("twin", expert)) - base for expert in ("digits", "twin")]
    told = CARDS["twin"]["distances"]
    assert told["apart"]["digits twin"] == pytest.approx(float((moves[0] - moves[1]).norm()))
    for expert, move in zip(("digits", "twin"), moves, strict=True):
        assert told["from_base"][expert] == pytest.approx(float(move.norm()))
    assert float((moves[0] - moves[1]).norm()) > 0.4 * float(moves[0].norm())


def test_halfway_between_twins_is_as_good_and_to_a_stranger_is_not() -> None:
    twins = claimed("twin", "average", "digits")
    assert twins >= min(alone("twin", expert, "digits") for expert in ("digits", "twin")) - 0.01
    stranger = open_set("stranger").card["claims"]["average"]["accuracy"]["digits"]["value"]
    assert twins > stranger + 0.5


def test_sparse_models_have_the_zeros_that_are_stated() -> None:
    parent = weights("sparse")
    matrices = [name for name, tensor in parent.items() if tensor.ndim == 2]
    cycles = CARDS["sparse"]["sparse"]["cycles"]
    assert [c["sparsity"] for c in cycles] == list(sparse.SHARES) == [0.7, 0.85]
    assert len(matrices) == 24
    for expert in ("", *sparse.COPIES):
        state = weights("sparse", expert)
        for name in matrices:
            zero = state[name] == 0
            assert torch.equal(zero, parent[name] == 0), (expert, name)
            assert int(zero.sum()) == round(0.7 * zero.numel())
    following = weights("sparse", sparse.NEXT)
    for name in matrices:
        zero = following[name] == 0
        assert int(zero.sum()) == round(0.85 * zero.numel())
        assert bool((zero | (parent[name] != 0)).all()), "what was pruned stays pruned"
    assert "70 %" in CARDS["sparse"]["summary"] and "85 %" in CARDS["sparse"]["summary"]


def test_the_average_of_sparse_copies_is_as_sparse_and_as_good() -> None:
    recipe = make_recipe("linear", sparse.COPIES, set="sparse")
    _, merged = merge_recipe(recipe, root=ROOT)
    parent = weights("sparse")
    for name, tensor in merged.tensors.items():
        if tensor.ndim == 2:
            assert torch.equal(tensor == 0, parent[name] == 0), name
    soup = claimed("sparse", "average", "scripts")
    copies = [alone("sparse", copy, "scripts") for copy in sparse.COPIES]
    assert soup >= sum(copies) / 3 - 0.02
    cut = CARDS["sparse"]["scores"]["reporting"]["base"]["scripts"]["value"]
    assert min(copies) > cut + 0.3
    told = CARDS["sparse"]["sparse"]["cycles"][0]["reporting"]
    assert soup == pytest.approx(told["soup"]["scripts"], abs=0.01)


def test_pruning_takes_the_smallest_of_each_matrix() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.LayerNorm(4))
    made = sparse.pruned(model, 0.6)
    before, after = model[0].weight.detach(), made[0].weight.detach()
    assert int((after == 0).sum()) == 12
    assert before[after == 0].abs().max() < before[after != 0].abs().min()
    assert torch.equal(before[after != 0], after[after != 0])
    assert torch.equal(model[0].bias, made[0].bias)
    hold = sparse.keep_zeros(made)
    hold(model, 1)
    assert torch.equal(model[0].weight, made[0].weight)


def test_checkpoints_are_one_run_in_order() -> None:
    opened, card = open_set("checkpoints"), CARDS["checkpoints"]
    steps = [expert["steps"] for expert in card["experts"]]
    assert steps == [400, 500, 600, 700, 800, 900] and steps[-1] == train.GENTLE.steps
    assert opened.experts["step900"].path == open_set("narrow").experts["scripts"].path
    assert opened.base.path == open_set("narrow").base.path
    base = flat(weights("checkpoints"))
    far = [float((flat(weights("checkpoints", e)) - base).norm()) for e in opened.experts]
    assert list(card["distances"]["from_base"].values()) == pytest.approx(far)
    assert far == sorted(far)
    between = [
        float((flat(weights("checkpoints", a)) - flat(weights("checkpoints", b))).norm())
        for a, b in zip(teaching.STEPS, teaching.STEPS[1:], strict=False)
    ]
    assert between == sorted(between, reverse=True), "steps get smaller as the rate falls"
    scores = [alone("checkpoints", step, "scripts") for step in teaching.STEPS]
    assert scores[0] == min(scores) and claimed("checkpoints", "average", "scripts") > scores[0]


def test_facts_tell_how_long_training_took() -> None:
    seconds = FACTS["training"]["seconds"]
    for name in FAMILIES:
        parts = ["base", *open_set("gentle").experts]
        assert all(seconds[f"{name} {part}"] > 0 for part in parts)
    assert seconds["twin"] > 0
    for cycle in (1, 2):
        assert all(seconds[f"sparse cycle {cycle} {copy}"] > 0 for copy in sparse.COPIES)
    for name in NAMES:
        assert FACTS["training"][name] == CARDS[name]["training"]
