"""OPCM worked out on one 2 x 2 matrix, step by step, as in a lesson.

Three experts arrive one after another. Each changed the matrix by a length of √10:

    first:  3 0     second:  1 2     third:   0 3
            0 1              2 1             -1 0

Directions that carry α = 0.8 of the singular values so far are protected.
"""

import torch
from builders import checkpoints
from torch import tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.engine.reading import PlannedModels
from merging.methods.opcm import outside, sequence
from merging.recipe import make_recipe

FIRST = tensor([[3.0, 0], [0, 1]])
SECOND = tensor([[1.0, 2], [2, 1]])
THIRD = tensor([[0.0, 3], [-1, 0]])
BASE = torch.ones(2, 2)
MODELS = {n: {"w": BASE + d} for n, d in (("one", FIRST), ("two", SECOND), ("three", THIRD))}


def plan(*order: str, alpha: float = 0.8) -> PlannedModels:
    recipe = make_recipe("opcm", list(order), params={"alpha": alpha})
    models = checkpoints({n: MODELS[n] for n in order})
    made = make_plan(recipe, MemoryCheckpoint("base", {"w": BASE}), models)
    return PlannedModels(made, "cpu", lambda done, word: None)


# Step 1. The first expert is the merge so far. Its singular values are 3 and 1, and its singular
# vectors the axes: the first direction carries 3/4 of them, both together all.
# 3/4 is not above 0.8, so the first direction is protected.


def test_step_2_project() -> None:
    """Written in those axes the second change is itself; its upper left entry is cleared."""
    kept = outside(FIRST, SECOND, alpha=0.8, zero_diagonal=False)
    assert torch.allclose(kept, tensor([[0.0, 2], [2, 1]]), atol=1e-6)


def test_step_2_with_a_lower_share_protects_nothing() -> None:
    """3/4 is above 0.5 at once, so no direction lies before it."""
    kept = outside(FIRST, SECOND, alpha=0.5, zero_diagonal=False)
    assert torch.allclose(kept, SECOND, atol=1e-6)


def test_step_2_as_fusion_bench_clears_the_diagonal_too() -> None:
    kept = outside(FIRST, SECOND, alpha=0.8, zero_diagonal=True)
    assert torch.allclose(kept, tensor([[0.0, 2], [2, 0]]), atol=1e-6)


def test_step_3_add_and_rescale() -> None:
    """3 0 / 0 1 plus 0 2 / 2 1 is 3 2 / 2 2, of length √21. Experts are √10 long on average.

    So λ = √21 / √10 = √2.1 and the merge is divided by it: its length is √10 again.
    """
    _, two = list(sequence(plan("one", "two")))
    assert two.expert == "two"
    assert abs(two.scale - 2.1**0.5) < 1e-6
    assert torch.allclose(two.deltas["w"], tensor([[3.0, 2], [2, 2]]) / 2.1**0.5, atol=1e-6)
    assert abs(float(two.deltas["w"].norm()) - 10**0.5) < 1e-5


def test_step_4_the_next_expert() -> None:
    """Before adding, the division is undone: 3 2 / 2 2 once more.

    Its singular values are (5 ± √17) / 2, about 4.56 and 0.44; the first alone carries 0.91, above
    0.8, so nothing is protected and 0 3 / -1 0 is added whole: 3 5 / 1 2, of length √39.
    λ = √39 / √10 = √3.9.
    """
    steps = list(sequence(plan("one", "two", "three")))
    assert [s.expert for s in steps] == ["one", "two", "three"]
    assert abs(steps[2].scale - 3.9**0.5) < 1e-6
    assert torch.allclose(steps[2].deltas["w"], tensor([[3.0, 5], [1, 2]]) / 3.9**0.5, atol=1e-5)


def test_end_to_end() -> None:
    """3 5 / 1 2 times √(10/39) = 0.50637, on a base of ones."""
    found = run(plan("one", "two", "three").plan, device="cpu")
    want = tensor([[2.51911, 3.53185], [1.50637, 2.01274]])
    assert torch.allclose(found.tensors["w"], want, atol=1e-5)
    assert found.report[0].reason == (
        "merged in this order: one (λ 1), two (λ 1.449), three (λ 1.975)"
    )


def test_one_expert_is_returned() -> None:
    found = run(plan("two").plan, device="cpu")
    assert torch.equal(found.tensors["w"], MODELS["two"]["w"])


def test_the_order_matters() -> None:
    """Second first: its singular values 3 and 1 lie on the diagonals, so other parts are cut."""
    there, back = (run(plan(*o).plan, device="cpu") for o in (("one", "two"), ("two", "one")))
    assert not torch.allclose(there.tensors["w"], back.tensors["w"], atol=0.1)
