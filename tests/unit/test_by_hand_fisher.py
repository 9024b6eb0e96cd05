"""Fisher averaging worked out on four weights, step by step, as in a lesson.

Two models, and how sure each is of each of its weights (the Fisher diagonal):

    a:   1   2   3   4      sure  3 1 0 1
    b:   3   2   1   0      sure  2 2 0 6

b's numbers are twice as large as a whole: their lengths are √(9+1+0+1) = √11 and √(4+4+0+36) = √44,
so b's count half when lengths are made equal, and b is then sure 1 1 0 3.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from builders import checkpoints, context, row
from torch import Tensor

from merging.conformance.task import Given
from merging.engine import make_plan, run
from merging.methods.fisher import precisions, totals
from merging.recipe import make_recipe

MODELS = {"a": {"w": row(1, 2, 3, 4)}, "b": {"w": row(3, 2, 1, 0)}}
SURE = {("fisher", "a", "w"): row(3, 1, 0, 1), ("fisher", "b", "w"): row(2, 2, 0, 6)}


def merged(weights: Mapping[str, float] | None = None, **params: Any) -> list[float]:
    recipe = make_recipe("fisher", weights or {"a": 1.0, "b": 1.0}, params=params)
    plan = make_plan(recipe, None, checkpoints(MODELS))
    found: Tensor = run(plan, device="cpu", statistics=Given(SURE)).tensors["w"]
    return found.tolist()


def test_step_1_lengths() -> None:
    recipe = make_recipe("fisher", ["a", "b"])
    stack = torch.stack([MODELS[e]["w"] for e in ("a", "b")])
    told = replace(context(recipe, stack), statistics=Given(SURE))
    assert precisions(told, stack[0]).tolist() == [[3, 1, 0, 1], [2, 2, 0, 6]]
    assert totals(lambda: iter([(told, stack)])) == pytest.approx((11**0.5, 44**0.5))


def test_step_2_weighted_means() -> None:
    """Shares of a and b are 3 : 1, 1 : 1, nobody, 1 : 3.

    First weight (3·1 + 1·3) / 4 = 1.5, second 2, fourth (1·4 + 3·0) / 4 = 1. At the third nobody is
    sure; the floor of one millionth lifts the first model only, as in the authors' code, so it
    decides alone: 3.
    """
    assert merged() == pytest.approx([1.5, 2, 3, 1], abs=1e-5)


def test_without_equal_lengths_the_louder_model_pulls() -> None:
    """Shares are 3 : 2, 1 : 2, nobody, 1 : 6: (3·1 + 2·3) / 5, 2, 3, (1·4 + 6·0) / 7."""
    assert merged(normalize=False) == pytest.approx([1.8, 2, 3, 4 / 7], abs=1e-5)


@pytest.mark.parametrize(
    ("params", "third"),
    [
        ({"floor": 0.0}, 2.0),  # nobody is sure: the plain mean of 3 and 1
        ({"floor_rule": "all", "normalize": False}, 2.0),  # both equally unsure
        ({"floor_rule": "all"}, 7 / 3),  # the floor of the louder model counts half: (2·3 + 1·1)/3
    ],
)
def test_where_nobody_is_sure_the_floor_decides(params: dict[str, Any], third: float) -> None:
    assert merged(**params)[2] == pytest.approx(third, abs=1e-5)


def test_coefficients_multiply_what_the_models_are_sure_of() -> None:
    """b counts three times: shares 3 : 3, 1 : 3, first alone, 1 : 9."""
    found = merged({"a": 1.0, "b": 3.0})
    assert found == pytest.approx([2, 2, 3, 0.4], abs=1e-5)


def test_the_order_decides_who_is_lifted() -> None:
    """With b first the third weight is b's."""
    assert merged({"b": 1.0, "a": 1.0}) == pytest.approx([1.5, 2, 1, 1], abs=1e-5)
