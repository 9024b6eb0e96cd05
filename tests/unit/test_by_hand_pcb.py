"""PCB-Merging worked out on four weights, step by step, as in a lesson.

Two experts changed four weights:

    a:   +0.4   -0.1   +0.2   +0.3
    b:   -0.1   +0.3   +0.2   +0.5
    sum  +0.3   +0.2   +0.4   +0.8

Three quarters of the changes may compete (r = 0.75), and no end is clamped.
"""

from dataclasses import replace
from typing import Any

import torch
from builders import context, merge_rows, row
from torch import Tensor

from merging.methods.pcb import Bounds, bounds, pcb, scores
from merging.recipe import Recipe, make_recipe

A = row(0.4, -0.1, 0.2, 0.3)
B = row(-0.1, 0.3, 0.2, 0.5)
DELTAS = torch.stack([A, B])
SIZES = ((0.1, 0.4), (0.1, 0.5))  # smallest and largest |change| of each expert


def close(found: Tensor, *want: float) -> bool:
    """To four digits, as written out here."""
    return torch.allclose(found, row(*want), atol=6e-5, rtol=0)


def recipe(**params: Any) -> Recipe:
    return make_recipe("pcb", ["a", "b"], params={"ratio": 0.75, "clamp": 0.0, **params})


# Step 1. How large is a change among the expert's own? 0 is its smallest, 1 its largest:
#     a:  (0.4 - 0.1)/0.3 = 1     0       1/3    2/3
#     b:   0                      1/2     1/4    1
# Raised to exp(2 s²), 2 being the number of experts (importance within the task):
WITHIN = torch.stack([row(7.3891, 1, 1.2488, 2.4324), row(1, 1.6487, 1.1331, 7.3891)])
# Step 2. Does it agree with the sum? tanh(change · sum), of
#     a:  0.12  -0.02  0.08  0.24        b: -0.03  0.06  0.08  0.40
AGREEMENT = torch.stack([row(0.1194, -0.02, 0.0798, 0.2355), row(-0.03, 0.0599, 0.0798, 0.3799)])
# Step 3. The score is the product:
SCORES = torch.stack([row(0.8825, -0.02, 0.0997, 0.5728), row(-0.03, 0.0988, 0.0905, 2.8075)])


def test_steps_1_to_3_scores() -> None:
    found = scores(DELTAS, SIZES)
    assert torch.allclose(found, SCORES, atol=6e-5)
    assert torch.allclose(WITHIN * AGREEMENT, SCORES, atol=4e-4)


def found_bounds() -> Bounds:
    return bounds(lambda: iter([(context(recipe(), DELTAS), DELTAS)]))


def test_step_4_who_competes() -> None:
    """The lowest quarter is out: the second smallest score becomes 0, the largest 1."""
    found = found_bounds()
    assert close(row(*found.sizes[0], *found.sizes[1]), 0.1, 0.4, 0.1, 0.5)
    assert close(row(*found.scores[0], *found.scores[1]), 0.0997, 0.8825, 0.0905, 2.8075)


# Between those ends scores are stretched to 0 to 1:
#     a:  1   0   0   (0.5728 - 0.0997) / 0.7828 = 0.6044
#     b:  0   (0.0988 - 0.0905) / 2.7170 = 0.0031   0   1
# Step 5. Average the changes by these shares:
#     first 0.4 (a alone), second 0.3 (b alone, however low its share), third nobody: 0,
#     fourth (0.6044 · 0.3 + 1 · 0.5) / 1.6045 = 0.4247


def test_step_5_balance() -> None:
    told = replace(context(recipe(), DELTAS), survey=found_bounds())
    assert close(pcb(DELTAS, told), 0.4, 0.3, 0, 0.4247)


def test_end_to_end() -> None:
    params = {"ratio": 0.75, "clamp": 0.0, "scale": 2.0}
    found = merge_rows("pcb", row(1, 1, 1, 1), DELTAS, params=params)
    assert close((found - 1) / 2, 0.4, 0.3, 0, 0.4247)


def test_a_stricter_ratio_leaves_one_winner_each() -> None:
    """With r = 1/2 the third smallest score is 0: a keeps its first weight, b its fourth."""
    found = merge_rows("pcb", torch.zeros(4), DELTAS, params={"ratio": 0.5, "clamp": 0.0})
    assert close(found, 0.4, 0, 0, 0.5)


def test_weights_act_on_the_changes_only() -> None:
    """b counts double in the mean, not in the competition: (0.6044 · 0.3 + 1 · 1.0) / 1.6045."""
    params = {"ratio": 0.75, "clamp": 0.0}
    found = merge_rows("pcb", torch.zeros(4), DELTAS, params=params, weights=[1, 2])
    assert close(found, 0.4, 0.6, 0, 0.7363)
