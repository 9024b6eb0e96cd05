"""Previews of recipes with values by layer: every tensor as a merge makes it by its own values."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from builders import flat, merge
from sampled_sketch import BASE, IDS, MODELS, SAMPLED, SHAPES, WHOLE

from merging.errors import RecipeError
from merging.recipe import Recipe, make_recipe
from merging.recipe.local import Curve, Local, Rule
from merging.sketch import Sketch, open_cell, preview, winners
from merging.sketch.work import carry_out

LINES: dict[str, tuple[dict[str, Any], dict[str, tuple[float, ...]]]] = {
    "linear": ({}, {}),
    "task_arithmetic": ({}, {"scale": (-0.5, 1.0)}),
    "ties": ({"trim_scope": "tensor", "rescale": "l1"}, {"density": (0.3, 0.9), "scale": (0, 2)}),
    "dare": ({}, {"drop_rate": (0.0, 0.8)}),
    "dare_ties": ({"zero_sign": "plus"}, {"drop_rate": (0.1, 0.8), "scale": (0.5, -1)}),
    "della": ({}, {"density": (0.4, 0.7)}),
    "breadcrumbs": ({"form": "tensor"}, {"density": (0.3, 0.9), "gamma": (0.1, 0.01)}),
}


def weigh(expert: str, *values: float) -> Local:
    return Local("weight", (Rule(1.5, "mlp"), Rule(Curve(values))), expert)


def recipe_of(method: str) -> Recipe:
    params, lines = LINES[method]
    local = [Local(p, (Rule(Curve(v)),)) for p, v in lines.items()]
    local += [weigh("a", 0.5, 1.0), weigh("b", 1.0, 0.25)]
    return make_recipe(method, IDS, params=params, seed=3, local=tuple(local)).ordered()


def at_columns(sketch: Sketch, merged: dict[str, torch.Tensor]) -> np.ndarray:
    """The change of a merge at the weights that a sketch holds."""
    found = []
    for part in sketch.parts:
        change = (merged[part.tensor].double() - BASE[part.tensor].double()).flatten()
        found.append(change[sketch.index[part.start : part.stop].long()])
    return torch.cat(found).numpy()


SAMPLES = ("linear", "task_arithmetic", "ties", "dare", "dare_ties")  # others rank whole rows


@pytest.mark.parametrize(
    ("method", "whole"), [*((m, True) for m in LINES), *((m, False) for m in SAMPLES)]
)
def test_the_merged_change_is_that_of_the_merge(method: str, whole: bool) -> None:
    sketch, recipe = WHOLE if whole else SAMPLED, recipe_of(method)
    wanted = at_columns(sketch, merge(recipe, BASE, MODELS))
    found = carry_out(sketch, recipe, change=True).merged
    assert found is not None
    close = 1e-3 if whole else 0.05  # lengths and cuts are looked up where tensors are sampled
    off = ~np.isclose(found, wanted, rtol=close, atol=1e-7)
    assert off.mean() == 0 if whole else off.mean() < 0.002
    plain = carry_out(sketch, replace(recipe, local=()), change=True).merged
    assert plain is not None and not np.allclose(found, plain)


@pytest.mark.parametrize("method", LINES)
def test_every_bucket_is_told_as_by_its_own_values(method: str) -> None:
    recipe = recipe_of(method)
    shown = preview(WHOLE, recipe)
    for tensor in ("layers.0.q_proj.weight", "layers.1.q_proj.weight", "norm.weight"):
        bucket = next(p.bucket for p in WHOLE.parts if p.tensor == tensor)
        if sum(p.bucket == bucket for p in WHOLE.parts) > 1:
            continue
        own = preview(WHOLE, flat(recipe, tensor, SHAPES))
        found, wanted = shown.at(bucket), own.at(bucket)
        for name in ("agree", "disjoint", "contested", "untouched"):
            assert getattr(found.conflict, name) == getattr(wanted.conflict, name)
        assert found.norm is not None and wanted.norm is not None
        assert found.norm.value == pytest.approx(wanted.norm.value, rel=1e-4, abs=1e-12)
        for one, other in zip(found.experts, wanted.experts, strict=True):
            assert one.kept == other.kept
            assert one.energy.value == pytest.approx(other.energy.value, rel=1e-4)


def test_the_length_is_that_of_the_merge() -> None:
    recipe = recipe_of("task_arithmetic")
    shown, merged = preview(WHOLE, recipe), merge(recipe, BASE, MODELS)
    squares = sum(float(((merged[n] - BASE[n]).double() ** 2).sum()) for n in SHAPES)
    assert shown.norm is not None and shown.norm.exact
    assert shown.norm.value == pytest.approx(squares**0.5, rel=1e-4)


@pytest.mark.parametrize("method", ["ties", "task_arithmetic", "dare_ties"])
def test_an_opened_cell_is_that_of_its_own_values(method: str) -> None:
    recipe = recipe_of(method)
    for tensor in ("layers.0.q_proj.weight", "layers.1.q_proj.weight"):
        bucket = next(p.bucket for p in WHOLE.parts if p.tensor == tensor)
        found = open_cell(WHOLE, recipe, bucket)
        wanted = open_cell(WHOLE, flat(recipe, tensor, SHAPES), bucket)
        assert found.five == wanted.five
        for one, other in zip(found.traced, wanted.traced, strict=True):
            assert (one.kept, one.elected, one.agreeing) == (
                other.kept, other.elected, other.agreeing,
            )  # fmt: skip
            assert one.merged == pytest.approx(other.merged, rel=1e-4, abs=1e-9)


def test_winners_follow_weights_by_layer() -> None:
    """An expert that is louder in the last layer wins more there than in the first."""
    local = (Local("weight", (Rule(Curve((0.1, 4.0))),), "a"),)
    recipe = make_recipe("ties", IDS, params={"density": 0.5}, local=local)
    rows = [[b for b in WHOLE.buckets if b.row == row] for row in ("L0", "L1")]
    found = winners(preview(WHOLE, recipe), rows)
    assert found is not None
    first, last = (found.won.at(row, 0) for row in (0, 1))
    assert first is not None and last is not None and first.value < 0.2 < 0.6 < last.value


def test_what_the_method_cannot_follow_is_refused() -> None:
    local = (Local("density", (Rule(Curve((0.1, 0.2))),)),)
    with pytest.raises(RecipeError, match="density cannot differ between layers"):
        preview(WHOLE, make_recipe("ties", IDS, local=local))
