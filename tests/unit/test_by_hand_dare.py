"""DARE worked out on four weights, step by step, as in a lesson.

Two experts changed four weights, and a coin was tossed for each change (1 is kept):

    a:   +0.8   -0.4   +0.2   +0.6      coins  1 0 1 1
    b:   -0.2   +0.4   +0.6   -1.2      coins  1 1 1 0

The drop rate p is 1/2, so a kept change counts 1 / (1 - p) = 2 times.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from builders import checkpoints, context, row
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.methods.dare import drop_and_rescale
from merging.methods.kernels import rescale
from merging.methods.masks import GivenMasks
from merging.methods.totals import l1
from merging.recipe import Recipe, make_recipe

A = row(0.8, -0.4, 0.2, 0.6)
B = row(-0.2, 0.4, 0.6, -1.2)
DELTAS = torch.stack([A, B])
COINS = {("w", "a"): row(1, 0, 1, 1), ("w", "b"): row(1, 1, 1, 0)}


def close(found: Tensor, *want: float) -> bool:
    return torch.allclose(found, row(*want), atol=1e-6, rtol=0)


def recipe(method: str = "dare", **fields: Any) -> Recipe:
    params = {"drop_rate": 0.5, **fields.pop("params", {})}
    return make_recipe(method, ["a", "b"], params=params, **fields)


def merged(chosen: Recipe, coins: Mapping[tuple[str, str], Tensor] = COINS) -> Tensor:
    """Merge the two experts into a base of ones, with these coins."""
    base = torch.ones(4)
    models = checkpoints({"a": {"w": base + A}, "b": {"w": base + B}})
    plan = make_plan(chosen, MemoryCheckpoint("base", {"w": base}), models)
    return run(plan, device="cpu", masks=GivenMasks(coins)).tensors["w"]


# Step 1. Where a coin shows 0 the change is dropped.
DROPPED = torch.stack([row(0.8, 0, 0.2, 0.6), row(-0.2, 0.4, 0.6, 0)])
# Step 2. What is left counts twice, so that on average over all coins nothing is lost.
RESCALED = torch.stack([row(1.6, 0, 0.4, 1.2), row(-0.4, 0.8, 1.2, 0)])


def test_step_1_and_2_drop_and_rescale() -> None:
    told = replace(context(recipe(), DELTAS), masks=GivenMasks(COINS))
    assert torch.allclose(rescale(DROPPED, "inverse", [0.5, 0.5]), RESCALED)
    assert torch.allclose(drop_and_rescale(DELTAS, told), RESCALED)


def test_step_3_add() -> None:
    """Sums are 1.6 - 0.4 = 1.2, 0.8, 1.6 and 1.2; half of that is added to the base of ones."""
    found = merged(recipe(params={"scale": 0.5}))
    assert close(found, 1.6, 1.4, 1.8, 1.6)


def test_step_3_with_an_election_instead() -> None:
    """Signs of the sums are all plus, so b's -0.4 is left out and a's 1.6 stands alone.

    At the third weight both agree: (0.4 + 1.2) / 2 = 0.8.
    """
    found = merged(recipe("dare_ties", params={"scale": 1.0}))
    assert close(found, 1 + 1.6, 1 + 0.8, 1 + 0.8, 1 + 1.2)


def test_mergekit_restores_the_l1_norm_instead() -> None:
    """a: |τ| sums to 2.0, of which 1.6 is left: times 1.25. b: 2.4 and 1.2: times 2.

    a becomes 1, 0, 0.25, 0.75 and b -0.4, 0.8, 1.2, 0; they are added in full.
    """
    lifted = rescale(DROPPED, "l1", [0.5, 0.5], torch.stack([l1(DELTAS), l1(DROPPED)]))
    assert close(lifted[0], 1.0, 0, 0.25, 0.75)
    assert close(lifted[1], -0.4, 0.8, 1.2, 0)
    assert close(merged(recipe(dialect="mergekit")), 1.6, 1.8, 2.45, 1.75)


def test_darex_divides_by_q_instead() -> None:
    """With q = 0.8 what is left counts 1.25 times, for both experts alike."""
    chosen = recipe("darex_q", params={"q": 0.8, "scale": 1.0})
    assert close(merged(chosen), 1 + 1.0 - 0.25, 1 + 0.5, 1 + 0.25 + 0.75, 1 + 0.75)


def test_on_average_over_all_coins_nothing_is_lost() -> None:
    """Four fair coins have 16 equally likely outcomes; the mean of a's results is a itself."""
    results = []
    for coins in product((0.0, 1.0), repeat=4):
        both = {("w", "a"): row(*coins), ("w", "b"): torch.zeros(4)}
        results.append(merged(recipe(params={"scale": 1.0}), both) - 1)
    assert len(results) == 16
    assert close(torch.stack(results).mean(0), *A.tolist())


def test_dropping_three_of_four_makes_the_rest_count_four_times() -> None:
    told = replace(context(recipe(params={"drop_rate": 0.75}), DELTAS), masks=GivenMasks(COINS))
    assert close(drop_and_rescale(DELTAS, told)[0], 3.2, 0, 0.8, 2.4)
