"""Lengths of changes beside those of the weights, by hand and against plain torch."""

import math

import pytest
import torch
from sampled_sketch import BASE, IDS, MODELS, SAMPLED, WHOLE, sketch_of

from merging.checkpoints.buckets import bucket_of
from merging.errors import UnknownNameError
from merging.sketch import relative_sizes


def plain(row: str, expert: str) -> float:
    names = [n for n in BASE if bucket_of(n).row == row]
    base = torch.cat([BASE[n].flatten() for n in names]).double()
    model = torch.cat([MODELS[expert][n].flatten() for n in names]).double()
    return float((model - base).norm() / base.norm())


def test_by_hand() -> None:
    """Changes of length 5 and 1 beside weights of length 13 and 2; another base is zero."""
    base = {
        "embed.weight": torch.tensor([[5.0, 12.0]]),
        "layers.0.q_proj.weight": torch.tensor([[2.0]]),
        "layers.0.q_proj.bias": torch.tensor([0.0]),
        "norm.weight": torch.zeros(2),
    }
    moved = {
        "embed.weight": torch.tensor([[3.0, 4.0]]),
        "layers.0.q_proj.weight": torch.tensor([[0.0]]),
        "layers.0.q_proj.bias": torch.tensor([1.0]),
        "norm.weight": torch.ones(2),
    }
    sketch = sketch_of(base, {"a": {n: base[n] + d for n, d in moved.items()}, "b": base})
    found = relative_sizes(sketch, ["a", "b"])
    assert (found.rows, found.experts, found.exact) == (("Embed", "L0", "Final"), ("a", "b"), True)
    assert found.ratio[:2].flatten() == pytest.approx([5 / 13, 0, 1 / 2, 0])
    assert all(map(math.isnan, found.ratio[2]))


def test_a_whole_sketch_is_exact_and_a_sample_is_near() -> None:
    order = ["c", "a"]
    whole, sampled = relative_sizes(WHOLE, order), relative_sizes(SAMPLED, order)
    assert whole.exact and not sampled.exact
    assert whole.rows == sampled.rows == ("L0", "L1", "Final")
    for at, row in enumerate(whole.rows):
        wanted = [plain(row, expert) for expert in order]
        assert whole.ratio[at] == pytest.approx(wanted, rel=1e-5)
        assert sampled.ratio[at] == pytest.approx(wanted, rel=0.02)


def test_it_is_worked_out_once() -> None:
    assert relative_sizes(SAMPLED, IDS) is relative_sizes(SAMPLED, IDS)
    assert relative_sizes(SAMPLED, IDS) is not relative_sizes(SAMPLED, IDS[:2])


def test_an_expert_that_is_not_in_the_sketch() -> None:
    with pytest.raises(UnknownNameError, match=r"expert 'd'"):
        relative_sizes(SAMPLED, ["d"])
