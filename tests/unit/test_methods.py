"""Whole methods through recipe and engine: identities that hold for any weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from builders import (
    FIRST,
    context,
    experts,
    merge,
    merge_rows,
    recipes,
    row,
    same_bits,
    state,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from merging.methods.dare import drop_and_rescale
from merging.methods.registry import method
from merging.recipe import Recipe, make_recipe

BASE = state(0)
MODELS = experts(BASE, 4, seed=1)
WITH_BASE = [name for name in FIRST if method(name).space == "deltas"]
FOUR = ("e0", "e1", "e2", "e3")


# --- Average --------------------------------------------------------------------------------------


def test_average_by_hand() -> None:
    models = {"a": {"w": row(1, 2)}, "b": {"w": row(3, 6)}}
    assert merge(make_recipe("linear", ["a", "b"]), None, models)["w"].tolist() == [2, 4]
    weighted = make_recipe("linear", {"a": 3.0, "b": 1.0})
    assert merge(weighted, None, models)["w"].tolist() == [1.5, 3]
    factors = make_recipe("linear", {"a": 3.0, "b": -1.0}, params={"normalize": False})
    assert merge(factors, None, models)["w"].tolist() == [0, 0]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_average_of_identical_experts_is_that_expert(count: int) -> None:
    same = {f"e{i}": MODELS["e0"] for i in range(count)}
    assert same_bits(merge(make_recipe("linear", list(same)), None, same), MODELS["e0"])


def test_average_needs_no_base_and_ignores_one() -> None:
    recipe = make_recipe("linear", FOUR)
    assert same_bits(merge(recipe, BASE, MODELS), merge(recipe, None, MODELS))


# --- Task arithmetic ------------------------------------------------------------------------------


def test_task_arithmetic_by_hand() -> None:
    """Base 10; changes (1, 2) and (3, -2); λ = 1/2."""
    deltas = torch.stack([row(1, 2), row(3, -2)])
    found = merge_rows("task_arithmetic", row(10, 10), deltas, params={"scale": 0.5})
    assert found.tolist() == [12, 10]


def test_task_arithmetic_divides_when_asked() -> None:
    deltas = torch.stack([row(1, 2), row(3, -2)])
    params = {"scale": 1.0, "normalize": True}
    found = merge_rows("task_arithmetic", row(10, 10), deltas, weights=[1, 3], params=params)
    assert found.tolist() == [10 + (1 + 9) / 4, 10 + (2 - 6) / 4]


def test_negative_weight_negates_a_task() -> None:
    found = merge_rows("task_arithmetic", row(1.0), tensor([[0.5]]), weights=[-1.0])
    assert found.item() == pytest.approx(1 - 0.3 * 0.5)


# --- All methods with a base ----------------------------------------------------------------------


@pytest.mark.parametrize("method", WITH_BASE)
def test_strength_zero_is_the_base(method: str) -> None:
    recipe = make_recipe(method, FOUR, params={"scale": 0.0})
    assert same_bits(merge(recipe, BASE, MODELS), BASE)


@pytest.mark.parametrize("method", WITH_BASE)
def test_strength_scales_linearly(method: str) -> None:
    """From a base of zeros doubling λ doubles every bit of the result."""
    zero = {n: torch.zeros_like(t) for n, t in BASE.items()}
    changes = {e: {n: w[n] - BASE[n] for n in w} for e, w in MODELS.items()}
    once, twice = (
        merge(make_recipe(method, FOUR, params={"scale": s}), zero, changes) for s in (0.7, 1.4)
    )
    assert same_bits({n: 2 * t for n, t in once.items()}, twice)
    assert any(t.any() for t in once.values())


@given(recipes(ids=st.sampled_from(FOUR)), st.randoms(use_true_random=False))
def test_order_of_experts_changes_no_bit(recipe: Recipe, random: Any) -> None:
    """For every method, with weights and parameters that go along."""
    other = list(recipe.experts)
    random.shuffle(other)
    recipe = replace(recipe, dtype=None).patched(
        weights={e.id: min(2.0, abs(e.weight) + 0.1) for e in recipe.experts}
    )
    by_id = {e.id: e for e in recipe.experts}
    shuffled = replace(recipe, experts=tuple(by_id[e.id] for e in other))
    assert same_bits(merge(recipe, BASE, MODELS), merge(shuffled, BASE, MODELS))


@pytest.mark.parametrize("method", ["task_arithmetic", "dare"])
def test_weight_zero_is_an_absent_expert(method: str) -> None:
    present = make_recipe(method, {"e0": 1.0, "e1": 0.0, "e2": 0.5})
    absent = make_recipe(method, {"e0": 1.0, "e2": 0.5})
    assert same_bits(merge(present, BASE, MODELS), merge(absent, BASE, MODELS))


def test_one_expert_at_full_strength_is_that_expert() -> None:
    for name in ("task_arithmetic", "ties"):
        params = {"scale": 1.0} | ({"density": 1.0} if name == "ties" else {})
        found = merge(make_recipe(name, ["e0"], params=params), BASE, MODELS)
        assert all(torch.allclose(found[n], MODELS["e0"][n], atol=1e-6) for n in found)


def test_ties_of_one_expert_is_its_trimmed_change() -> None:
    delta = row(4, -3, 2, -1, 0.5, 0.25, 0, 0, 0, 0)
    found = merge_rows("ties", torch.zeros(10), delta.unsqueeze(0), params={"density": 0.2})
    assert found.tolist() == [4, -3, 2, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_ties_of_identical_experts_at_full_density_is_that_expert(count: int) -> None:
    """The disjoint mean divides by the number that agree: nothing is inflated."""
    delta = row(0.5, -0.25, 2, 0)
    stack = delta.repeat(count, 1)
    found = merge_rows("ties", row(1, 1, 1, 1), stack, params={"density": 1.0})
    assert found.tolist() == (1 + delta).tolist()


# --- DARE -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["dare", "dare_ties"])
def test_drop_rate_zero_drops_nothing(method: str) -> None:
    plain = {"dare": "task_arithmetic", "dare_ties": "ties"}[method]
    params = {"scale": 0.5} | ({"density": 1.0} if method == "dare_ties" else {})
    found = merge(make_recipe(method, FOUR, params={**params, "drop_rate": 0.0}), BASE, MODELS)
    assert same_bits(found, merge(make_recipe(plain, FOUR, params=params), BASE, MODELS))


def test_each_expert_has_its_own_drop_rate() -> None:
    recipe = make_recipe("dare", ["a", "b"])
    own = (replace(recipe.experts[0], params=(("drop_rate", 0.0),)), recipe.experts[1])
    recipe = recipe.patched(experts=own, params={"drop_rate": 0.75})
    stack = torch.ones(2, 4000)
    sparse = drop_and_rescale(stack, context(recipe, stack))
    assert torch.equal(sparse[0], stack[0])
    assert sparse[1].unique().tolist() == [0, 4]
    assert abs(float(sparse[1].count_nonzero()) - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5


def test_mean_over_seeds_is_the_whole_change() -> None:
    """Unbiased: a kept entry counts 1/(1 - p) times. Variance per draw is δ² p/(1 - p)."""
    delta, rate, seeds = row(1, -2, 0.5, 0, 3), 0.6, 600
    stack = delta.unsqueeze(0)
    total = torch.zeros(5)
    for seed in range(seeds):
        recipe = make_recipe("dare", ["a"], params={"drop_rate": rate}, seed=seed)
        total += drop_and_rescale(stack, context(recipe, stack))[0]
    error = (total / seeds - delta).abs()
    assert (error <= 4 * delta.abs() * (rate / (1 - rate) / seeds) ** 0.5).all()


def test_without_rescale_the_mean_shrinks() -> None:
    stack = torch.ones(1, 20_000)
    params = {"drop_rate": 0.75, "rescale": "none"}
    recipe = make_recipe("dare", ["a"], params=params)
    assert drop_and_rescale(stack, context(recipe, stack)).mean().item() == pytest.approx(
        0.25, abs=4 * (0.25 * 0.75 / 20_000) ** 0.5
    )


def test_l1_rescale_keeps_the_length_exactly() -> None:
    """Inverse keeps it only on average; the two are different numbers on a small tensor."""
    stack = torch.randn(1, 40, generator=torch.Generator().manual_seed(0))
    found = {}
    for how in ("l1", "inverse"):
        recipe = make_recipe("dare", ["a"], params={"drop_rate": 0.75, "rescale": how})
        found[how] = float(drop_and_rescale(stack, context(recipe, stack)).abs().sum())
    assert found["l1"] == pytest.approx(float(stack.abs().sum()), rel=1e-5)
    assert abs(found["inverse"] - found["l1"]) > 0.5


def test_masks_follow_the_expert_and_not_its_place() -> None:
    """Leaving out the first expert must not change what the second one drops."""
    alone = make_recipe("dare", ["e1"], params={"scale": 1.0})
    both = make_recipe("dare", {"e0": 0.0, "e1": 1.0}, params={"scale": 1.0})
    assert same_bits(merge(alone, BASE, MODELS), merge(both, BASE, MODELS))


def test_seeds_and_tensors_have_masks_of_their_own() -> None:
    ones = {"a": {"v": torch.ones(200), "w": torch.ones(200)}}
    zero = {"v": torch.zeros(200), "w": torch.zeros(200)}
    first = merge(make_recipe("dare", ["a"], params={"drop_rate": 0.5}), zero, ones)
    other = merge(make_recipe("dare", ["a"], params={"drop_rate": 0.5}, seed=1), zero, ones)
    assert not torch.equal(first["v"], first["w"])
    assert not torch.equal(first["v"], other["v"])


def test_dare_then_ties_trims_what_was_rescaled() -> None:
    """A second trim of half of eight entries, among the survivors of the drop."""
    delta = row(8, 7, 6, 5, 4, 3, 2, 1)
    params = {"drop_rate": 0.5, "density": 0.25, "trim_scope": "tensor", "trim_rule": "exact"}
    recipe = make_recipe("dare_ties", ["a"], params={**params, "scale": 1.0})
    kept = context(recipe, delta.unsqueeze(0)).masks.keep("w", "a", 0, 8, 0.5)
    want = [2 * float(v) for v in delta[kept][:2]]
    found = merge(recipe, {"w": torch.zeros(8)}, {"a": {"w": delta}})["w"]
    assert sorted(found[found != 0].tolist(), reverse=True) == want
