"""OPCM: every step on the way can be looked at, by hand and by stopping early."""

import pytest
import torch
from builders import checkpoints, experts, merge, row, same_bits, state

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.errors import CompatibilityError
from merging.recipe import make_recipe

BASE = state(0)
MODELS = experts(BASE, 4, seed=8)
ORDER = ("e2", "e0", "e3", "e1")


def test_vectors_by_hand() -> None:
    """(3, 4) and (0, 5), both of length 5: the sum (3, 9) is cut to length 5."""
    models = {"a": {"w": row(3, 4)}, "b": {"w": row(0, 5)}}
    found = merge(make_recipe("opcm", ["a", "b"]), {"w": row(0, 0)}, models)["w"]
    divisor = 90**0.5 / 5
    assert found.tolist() == pytest.approx([3 / divisor, 9 / divisor])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_stopping_early_is_merging_the_first_experts(count: int) -> None:
    early = merge(make_recipe("opcm", ORDER, params={"after": count}), BASE, MODELS)
    first = merge(make_recipe("opcm", ORDER[:count]), BASE, MODELS)
    assert same_bits(early, first)


@pytest.mark.parametrize("after", [4, 9])
def test_zero_takes_all_and_so_does_any_number_beyond(after: int) -> None:
    every = merge(make_recipe("opcm", ORDER), BASE, MODELS)
    assert same_bits(
        merge(make_recipe("opcm", ORDER, params={"after": after}), BASE, MODELS), every
    )


def test_one_expert_comes_back_as_it_is() -> None:
    found = merge(make_recipe("opcm", ORDER, params={"after": 1}), BASE, MODELS)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, MODELS["e2"][name], atol=1e-6, rtol=1e-6)


def test_the_report_tells_order_and_scale_of_each_step() -> None:
    """Sums (3, 9) and (4, 10); mean lengths 5 and (5 + 5 + √2) / 3."""
    base = {"w": row(0, 0)}
    models = {"b": {"w": row(3, 4)}, "a": {"w": row(0, 5)}, "c": {"w": row(1, 1)}}
    for after, last in ((2, ""), (3, ", c (λ 2.831)")):
        recipe = make_recipe("opcm", models.keys(), params={"after": after})
        plan = make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(models))
        told = run(plan, device="cpu").report[0].reason
        assert told == f"merged in this order: b (λ 1), a (λ 1.897){last}"


def test_key_knows_where_it_stops() -> None:
    keys = [make_recipe("opcm", ORDER, params={"after": k}).key() for k in range(4)]
    assert len(set(keys)) == 4
    assert keys[0] == make_recipe("opcm", ORDER).key()


def test_a_matrix_that_is_not_there_is_named() -> None:
    recipe = make_recipe("opcm", ORDER, params={"matrices": "norm.weight, layers.9.weight"})
    with pytest.raises(CompatibilityError, match=r"matrices names 'layers\.9\.weight', which"):
        merge(recipe, BASE, MODELS)
