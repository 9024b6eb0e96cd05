"""Controls that change nothing, found by moving them."""

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from builders import checkpoints, experts, state

from merging.checkpoints import MemoryCheckpoint
from merging.errors import UnknownNameError
from merging.recipe import Recipe, make_recipe
from merging.sketch import Inert, Sketch, build_sketch, inert


def small(**deltas: Any) -> Sketch:
    models = {n: {"w": torch.tensor(v, dtype=torch.float32)} for n, v in deltas.items()}
    base = MemoryCheckpoint("base", {"w": torch.zeros(len(next(iter(deltas.values()))))})
    return build_sketch(base, checkpoints(models))


BASE = state(0)
MANY = build_sketch(MemoryCheckpoint("base", BASE), checkpoints(experts(BASE, 3, seed=1)))


def weights(sketch: Sketch, recipe: Recipe) -> set[str]:
    return {found.expert for found in inert(sketch, recipe) if found.name == "weight"}


def names(sketch: Sketch, recipe: Recipe) -> set[str]:
    return {found.name for found in inert(sketch, recipe) if not found.expert}


def test_the_weight_of_a_lone_expert_cancels_in_a_weighted_mean() -> None:
    lone = make_recipe("ties", ["a"], dialect="mergekit")
    assert weights(small(a=[1, -2, 3], b=[0, 0, 0]), lone) == {"a"}
    assert weights(small(a=[1, -2, 3]), make_recipe("ties", ["a"])) == set()


def test_weights_of_experts_that_never_meet_cancel() -> None:
    """mergekit divides by the weights that agree: alone everywhere, none of them matters."""
    apart = small(a=[1, -2, 0, 0], b=[0, 0, 3, 4])
    recipe = make_recipe("ties", ["a", "b"], dialect="mergekit")
    assert weights(apart, recipe) == {"a", "b"}
    together = small(a=[1, -2, 0, 1], b=[0, 0, 3, 4])
    assert weights(together, recipe) == set()


def test_the_weight_of_an_expert_without_changes_does_nothing() -> None:
    found = weights(small(a=[1, 2], b=[0, 0]), make_recipe("task_arithmetic", ["a", "b"]))
    assert found == {"b"}


def test_one_expert_has_nobody_to_vote_against() -> None:
    found = names(small(a=[1, -2, 3, 4]), make_recipe("ties", ["a"], params={"density": 0.5}))
    assert {"election", "voters", "zero_sign", "seed"} <= found
    assert not found & {"density", "scale"}


def test_nothing_follows_where_strength_is_zero() -> None:
    recipe = make_recipe("ties", ["e0", "e1"], params={"scale": 0.0})
    assert weights(MANY, recipe) == {"e0", "e1"}
    assert {"density", "election", "combine"} <= names(MANY, recipe)
    assert "scale" not in names(MANY, recipe)


def test_strength_of_nothing_is_inert() -> None:
    assert "scale" in names(small(a=[0, 0], b=[0, 0]), make_recipe("ties", ["a", "b"]))


@pytest.mark.parametrize(("method", "draws"), [("ties", False), ("dare", True), ("linear", False)])
def test_seeds_count_where_something_is_drawn(method: str, draws: bool) -> None:
    assert ("seed" not in names(MANY, make_recipe(method, ["e0", "e1", "e2"]))) is draws


def test_a_seed_does_nothing_where_nothing_is_dropped() -> None:
    assert "seed" in names(MANY, make_recipe("dare", ["e0"], params={"drop_rate": 0.0}))


def test_everything_counts_in_an_ordinary_recipe() -> None:
    recipe = make_recipe("ties", ["e0", "e1", "e2"], params={"density": 0.5})
    found = inert(MANY, recipe)
    assert not {Inert("weight", e) for e in ("e0", "e1", "e2")} & set(found)
    assert not names(MANY, recipe) & {"density", "scale", "election", "combine", "trim_scope"}


def test_what_only_a_merge_can_tell_is_not_told() -> None:
    assert inert(MANY, make_recipe("emr", ["e0", "e1"])) == ()


def test_an_unknown_expert() -> None:
    with pytest.raises(UnknownNameError, match="e9"):
        inert(MANY, make_recipe("ties", ["e9"]))


METHODS = ["dare_ties", "della", "breadcrumbs", "sce", "ram", "model_stock", "slerp", "tsv_m"]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_asked(method: str) -> None:
    found = inert(MANY, make_recipe(method, ["e0", "e1"]))
    assert len(set(found)) == len(found)


# Changes of a few sizes, so that votes are tied and trims cut through equal sizes.
STEPS = np.array([-2, -1, 0, 0, 1, 2], np.float32)
COARSE = small(**{f"e{e}": np.random.default_rng(e).choice(STEPS, 300) for e in range(3)})
LAYERS = {f"layers.{i}.w": torch.zeros(5, 8) for i in range(9)}
MODELS = {
    f"e{e}": {
        name: torch.from_numpy(np.random.default_rng([e, i]).choice(STEPS, (5, 8)))
        for i, name in enumerate(LAYERS)
    }
    for e in range(3)
}
DEEP = build_sketch(MemoryCheckpoint("base", LAYERS), checkpoints(MODELS))


@pytest.mark.parametrize("sketch", [COARSE, DEEP, MANY], ids=["one part", "nine parts", "many"])
@pytest.mark.parametrize(
    "recipe",
    [
        make_recipe("ties", ["e0", "e1", "e2"], params={"density": 0.4}),
        make_recipe("ties", ["e0", "e1", "e2"], params={"election": "count"}),
        make_recipe("ties", ["e0", "e1"], dialect="mergekit"),
        make_recipe("dare_ties", ["e0", "e1", "e2"], params={"drop_rate": 0.0}),
        make_recipe("dare", ["e0", "e1"], params={"drop_rate": 0.5}),
        make_recipe("task_arithmetic", ["e0", "e1", "e2"]),
        make_recipe("lines", ["e0", "e1"], params={"scale": 0.0}),
    ],
    ids=lambda recipe: f"{recipe.method} {dict(recipe.params)}",
)
def test_looking_at_a_few_parts_first_says_what_looking_at_all_says(
    sketch: Sketch, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = inert(sketch, recipe)
    module = importlib.import_module("merging.sketch.inert")
    monkeypatch.setattr(module, "in_loops", lambda sketch, recipe: False)  # never a few
    assert found == inert(sketch, recipe)


def test_a_control_that_moves_one_layer_only_is_not_inert() -> None:
    """The few parts that are looked at first may be others."""
    for layer in LAYERS:
        deltas = {name: torch.zeros(5, 8) for name in LAYERS} | {layer: torch.ones(5, 8)}
        base = MemoryCheckpoint("base", LAYERS)
        sketch = build_sketch(base, checkpoints({"a": deltas, "b": LAYERS}))
        recipe = make_recipe("ties", ["a", "b"])
        assert weights(sketch, recipe) == {"b"} and "scale" not in names(sketch, recipe)
