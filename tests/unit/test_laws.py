"""What every method promises in its declaration, on random models."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from builders import PLAIN, State, checkpoints, same_bits, state
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.errors import ParameterError
from merging.methods.registry import method
from merging.methods.spec import MethodSpec
from merging.recipe import Expert, Recipe, make_recipe

BASE = state(0)
BLOCK = {"mlp.fc1.weight": (6, 4), "mlp.fc1.bias": (6,), "mlp.fc2.weight": (4, 6)}
SOURCE = torch.Generator().manual_seed(3)
BASE |= {n: torch.randn(s, generator=SOURCE) for n, s in BLOCK.items()}
MODELS = {
    f"e{i}": {n: t + 0.1 * torch.randn(t.shape, generator=SOURCE) for n, t in BASE.items()}
    for i in range(3)
}
ALL = [m.id for m in PLAIN]
SHAPES_KEPT = [name for name in ALL if name != "pleas"]
OWN = {"samples": (3, 1, 2), "metric": (1.0, 2.0, 0.5)}


class Statistics:
    """Random Fisher diagonals and Gram matrices, the same at every call."""

    def get(self, kind: str, expert: str, tensor: str) -> Tensor | None:
        source = torch.Generator().manual_seed(sum(map(ord, kind + expert + tensor)))
        shape = BASE[tensor].shape
        if kind == "fisher":
            return torch.rand(shape, generator=source)
        if kind == "gram" and len(shape) == 2:
            inputs = torch.randn(50, shape[1], generator=source)
            return inputs.T @ inputs
        return None


def count(spec: MethodSpec) -> int:
    return min(3, spec.needs.most or 3)


def recipe_for(name: str, **params: Any) -> Recipe:
    spec = method(name)
    own = [p.name for p in spec.params if p.own]
    chosen = tuple(
        Expert(f"e{i}", params=tuple((p, OWN[p][i]) for p in own)) for i in range(count(spec))
    )
    return Recipe(name, chosen, params=tuple(params.items()))


def merged(recipe: Recipe, base: State, models: dict[str, State]) -> dict[str, Tensor]:
    plan = make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(models))
    target = base

    def score(tensors: Any) -> float:
        return -sum(float((tensors[n] - target[n]).square().sum()) for n in target)

    found = run(plan, device="cpu", statistics=Statistics(), scorer=score)
    return dict(found.tensors)


def own_settings(name: str) -> dict[str, Any]:
    return dict(method(name).unit)


@pytest.mark.parametrize("name", ALL)
def test_finite_with_names_shapes_and_types_kept(name: str) -> None:
    found = merged(recipe_for(name), BASE, MODELS)
    assert found.keys() == BASE.keys()
    for key, tensor in found.items():
        assert tensor.isfinite().all()
        assert tensor.dtype == BASE[key].dtype
        assert name not in SHAPES_KEPT or tensor.shape == BASE[key].shape


@pytest.mark.parametrize("name", [m.id for m in PLAIN if m.symmetric])
def test_order_of_experts_changes_no_bit(name: str) -> None:
    recipe = recipe_for(name)
    turned = replace(recipe, experts=recipe.experts[::-1])
    assert same_bits(merged(recipe, BASE, MODELS), merged(turned, BASE, MODELS))


@pytest.mark.parametrize("name", [m.id for m in PLAIN if m.idempotent])
def test_identical_experts_give_that_expert(name: str) -> None:
    same = dict.fromkeys(MODELS, MODELS["e0"])
    found = merged(recipe_for(name, **own_settings(name)), BASE, same)
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, MODELS["e0"][key], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [m.id for m in PLAIN if m.homogeneous])
def test_scaled_deltas_give_a_scaled_merge(name: str) -> None:
    """Deltas twice as long give a merge twice as far from the base."""
    zero = {n: torch.zeros_like(t) for n, t in BASE.items()}
    once = {e: {n: w[n] - BASE[n] for n in w} for e, w in MODELS.items()}
    twice = {e: {n: 2 * t for n, t in w.items()} for e, w in once.items()}
    recipe = recipe_for(name)
    far, near = merged(recipe, zero, twice), merged(recipe, zero, once)
    for key, tensor in near.items():
        torch.testing.assert_close(far[key], 2 * tensor, atol=1e-5, rtol=1e-4)


STRENGTH = [m.id for m in PLAIN if any(p.name == "scale" for p in m.params)]


@pytest.mark.parametrize("name", STRENGTH)
def test_strength_zero_gives_the_base_bit_for_bit(name: str) -> None:
    assert same_bits(merged(recipe_for(name, scale=0.0), BASE, MODELS), BASE)


SCALABLE = [m.id for m in PLAIN if any(p.name == "depth_scaling" for p in m.params)]


@pytest.mark.parametrize("name", SCALABLE)
def test_scaling_by_depth_with_factor_one_changes_no_bit(name: str) -> None:
    one = {"depth_scaling": True, "shallow": 1.0, "deeper": 0.0}
    plain = merged(recipe_for(name), BASE, MODELS)
    assert same_bits(merged(recipe_for(name, **one), BASE, MODELS), plain)


@pytest.mark.parametrize("name", SCALABLE)
def test_scaling_by_depth_scales_the_merged_delta(name: str) -> None:
    """α = 0.5, β = 0.25: half of the change in block 0, three quarters in block 1."""
    params = {"depth_scaling": True, "shallow": 0.5, "deeper": 0.25}
    plain = merged(recipe_for(name), BASE, MODELS)
    for key, tensor in merged(recipe_for(name, **params), BASE, MODELS).items():
        factor = 0.75 if key.startswith("layers.1.") else 0.5
        want = BASE[key] + factor * (plain[key] - BASE[key])
        torch.testing.assert_close(tensor, want, atol=1e-6, rtol=1e-5)


def test_what_can_be_scaled_by_depth() -> None:
    without = {m.id for m in PLAIN} - set(SCALABLE)
    assert without >= {"lines", "linear", "greedy_soup", "tall_masks", "emr", "pleas"}
    assert {"ties", "dare", "iso_c", "knots_ties", "opcm", "multislerp"} <= set(SCALABLE)


@pytest.mark.parametrize("name", [m.id for m in PLAIN if not m.weighted])
def test_methods_without_weights_refuse_them(name: str) -> None:
    names = {f"e{i}": 0.5 for i in range(count(method(name)))}
    with pytest.raises(ParameterError, match="has no weights"):
        make_recipe(name, names)


def test_one_model_per_task_keeps_what_it_says() -> None:
    """EMR's model of a task has the mean size of its expert's changes, and none of its signs."""
    recipe = recipe_for("emr")
    plan = make_plan(recipe, MemoryCheckpoint("base", BASE), checkpoints(MODELS))
    parts = run(plan, device="cpu").per_task
    assert parts is not None and set(parts.factors) == {"e0", "e1", "e2"}
    for expert in parts.factors:
        own = sum(float((MODELS[expert][n] - BASE[n]).abs().mean()) for n in BASE)
        back = sum(float(parts.delta(expert, n).abs().mean()) for n in BASE)
        assert back == pytest.approx(own, rel=1e-4)
        for name in BASE:
            signs = parts.delta(expert, name).sign() * (MODELS[expert][name] - BASE[name]).sign()
            assert bool((signs >= 0).all())
