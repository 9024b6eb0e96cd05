"""The same results on a GPU; skipped where there is none."""

import pytest
import torch

from merging.engine import make_plan, run
from merging.methods.masks import hash_bits
from merging.methods.registry import METHODS
from merging.recipe import make_recipe
from merging.sets import open_set

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def test_masks_are_the_same_on_every_device() -> None:
    here = hash_bits(7, "layer.weight", "digits", 5, 100_000)
    assert torch.equal(here, hash_bits(7, "layer.weight", "digits", 5, 100_000, "cuda").cpu())


@pytest.mark.parametrize("method", [spec.id for spec in METHODS[:5]])
def test_merges_agree(method: str) -> None:
    opened = open_set("gentle")
    recipe = make_recipe(method, tuple(opened.experts), set="gentle", dtype="float32")
    plan = make_plan(recipe, opened.base, opened.experts)
    here, there = run(plan, device="cpu").tensors, run(plan, device="cuda").tensors
    for name, tensor in here.items():
        torch.testing.assert_close(there[name], tensor, atol=1e-6, rtol=1e-5)
