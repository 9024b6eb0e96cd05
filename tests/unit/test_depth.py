"""LiNeS on top of other methods: by hand, in the preview and in the keys of recipes."""

from typing import Any

import pytest
import torch
from builders import checkpoints, experts, merge, row, state

from merging.checkpoints import MemoryCheckpoint
from merging.errors import ParameterError
from merging.methods.registry import METHODS
from merging.recipe import make_recipe
from merging.sketch import build_sketch, preview

BASE = state(0)
MODELS = experts(BASE, 2, seed=5)
SKETCH = build_sketch(MemoryCheckpoint("base", BASE), checkpoints(MODELS))
ON = {"depth_scaling": True, "shallow": 0.5, "deeper": 0.25}


def test_ties_scaled_by_depth_by_hand() -> None:
    """TIES merges (4, 0) and (2, -2) into (3, -2) in every tensor; then 1/4, 1/4, 1/2, 3/4."""
    names = ("embeddings", "layers.0.w", "layers.1.w", "layers.2.w")
    base = {n: row(0, 0) for n in names}
    models = {"a": {n: row(4, 0) for n in names}, "b": {n: row(2, -2) for n in names}}
    params = {"density": 1.0, "depth_scaling": True, "shallow": 0.25, "deeper": 0.5}
    found = merge(make_recipe("ties", ["a", "b"], params=params), base, models)
    assert {n: t.tolist() for n, t in found.items()} == {
        "embeddings": [0.75, -0.5],
        "layers.0.w": [0.75, -0.5],
        "layers.1.w": [1.5, -1.0],
        "layers.2.w": [2.25, -1.5],
    }


def test_lines_is_task_arithmetic_scaled_by_depth() -> None:
    values = {"shallow": 0.3, "deeper": 0.6, "scale": 0.5}
    own = merge(make_recipe("lines", [*MODELS], params=values), BASE, MODELS)
    params = values | {"depth_scaling": True}
    assert all(
        torch.equal(tensor, own[name])
        for name, tensor in merge(
            make_recipe("task_arithmetic", [*MODELS], params=params), BASE, MODELS
        ).items()
    )


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        ("first", {"h.2.mlp.1.w": 3.0, "h.7.mlp.1.w": 1.0, "1.w": 2.0, "h.1": 1.0}),
        ("lowest", {"h.2.mlp.1.w": 2.0, "h.7.mlp.1.w": 2.0, "1.w": 1.0, "h.1": 1.0}),
    ],
)
def test_lines_in_names_with_several_numbers(number: str, wanted: dict[str, float]) -> None:
    """Of three blocks the factors are 1, 2 and 3; what is in no block of them has 1."""
    base = {n: row(0, 0) for n in wanted}
    model = {"a": {n: row(1, -1) for n in wanted}}
    params = {"shallow": 1.0, "deeper": 2.0, "blocks": 3, "scale": 1.0, "block_number": number}
    found = merge(make_recipe("lines", ["a"], params=params), base, model)
    assert {n: t.tolist() for n, t in found.items()} == {n: [f, -f] for n, f in wanted.items()}


def test_a_recipe_of_lines_keeps_its_key() -> None:
    plain = make_recipe("lines", ["a"])
    assert plain.key() == make_recipe("lines", ["a"], params={"block_number": "first"}).key()
    assert plain.key() != make_recipe("lines", ["a"], params={"block_number": "lowest"}).key()


SEEN = [
    m.id
    for m in METHODS
    if m.merge and not m.needs.data and any(p.name == "depth_scaling" for p in m.params)
]


@pytest.mark.parametrize("name", SEEN)
def test_preview_tells_the_length_of_the_scaled_merge(name: str) -> None:
    most = next(m.needs.most or 2 for m in METHODS if m.id == name)
    recipe = make_recipe(name, [*MODELS][:most], params=ON)
    found = merge(recipe, BASE, MODELS)
    squares = sum(float((found[n] - BASE[n]).double().square().sum()) for n in BASE)
    own = [
        sum(float((MODELS[e.id][n] - BASE[n]).double().square().sum()) for n in BASE) ** 0.5
        for e in recipe.experts
    ]
    mean = sum(own) / len(own)
    length = preview(SKETCH, recipe).length
    assert length is not None and length.exact
    assert length.value == pytest.approx(squares**0.5 / mean, rel=1e-4)


# The keys of a release that knew no scaling by depth.
FIRST_KEYS = {
    "task_arithmetic": "731a000d85c0b5b5",
    "ties": "8230c06757fd0a63",
    "dare": "4b448b5562ce4b09",
    "della": "4c5ac0dc63765886",
    "breadcrumbs": "c671a82e894f6ca6",
    "sce": "e2a27271027913d8",
    "opcm": "0fb6bda30bfe4d2f",
}


@pytest.mark.parametrize(("name", "key"), FIRST_KEYS.items())
def test_keys_without_it_are_those_of_the_first_release(name: str, key: str) -> None:
    assert make_recipe(name, ["a"]).key() == key
    off = {"depth_scaling": False, "shallow": 0.1, "deeper": 2.0, "blocks": 7}
    assert make_recipe(name, ["a"], params=off).key() == key


@pytest.mark.parametrize(
    "params", [{}, {"shallow": 0.4}, {"deeper": 0.4}, {"blocks": 7}], ids=lambda p: "-".join(p)
)
def test_what_it_changes_changes_the_key(params: Any) -> None:
    keys = {make_recipe("ties", ["a"], params=p).key() for p in ({}, ON, ON | params)}
    assert len(keys) == (3 if params else 2)


def test_whole_weights_have_no_change_to_scale() -> None:
    params = ON | {"around": "origin"}
    with pytest.raises(ParameterError, match="depth_scaling scales a change from the base, but"):
        make_recipe("multislerp", ["a", "b"], params=params)
