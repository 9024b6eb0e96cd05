"""Effective ranks and shared subspaces, by hand and by definition."""

import math

import numpy as np
import pytest
import torch
from builders import state
from hypothesis import given
from hypothesis import strategies as st
from sampled_sketch import IDS, SAMPLED, WHOLE, sketch_of

from merging.analysis.subspace import effective_rank, subspace_overlap
from merging.errors import UnknownNameError
from merging.sketch import Sketch, kinds, subspaces

Q = "layers.{}.q_proj.weight"


def matrices(*layers: dict[str, torch.Tensor]) -> Sketch:
    """Experts whose changes of each layer are given."""
    base = {Q.format(i): torch.zeros_like(next(iter(of.values()))) for i, of in enumerate(layers)}
    ids = layers[0]
    models = {e: {Q.format(i): of[e] for i, of in enumerate(layers)} for e in ids}
    return sketch_of(base, models)


@pytest.mark.parametrize(
    ("values", "rank"),
    [([3.0], 1), ([2.0, 2.0, 0.0], 2), ([1.0] * 5, 5), ([0.0, 0.0], 0), ([1e-30, 0.0], 1)],
)
def test_effective_rank_by_hand(values: list[float], rank: float) -> None:
    assert effective_rank(torch.tensor(values)) == pytest.approx(rank, rel=1e-12)


def test_effective_rank_of_three_to_one() -> None:
    wanted = math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert effective_rank(torch.tensor([3.0, 1.0])) == pytest.approx(wanted)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(0.1, 10))
def test_effective_rank_keeps_its_limits_and_forgets_scale(values: list[float], k: float) -> None:
    found = effective_rank(torch.tensor(values, dtype=torch.float64))
    positive = sum(v > 0 for v in values)
    assert min(positive, 1) - 1e-9 <= found <= positive + 1e-9
    scaled = torch.tensor(values, dtype=torch.float64) * k
    assert effective_rank(scaled) == pytest.approx(found, rel=1e-6)


def test_overlap_by_hand() -> None:
    """A line at 60 degrees to another; a plane that shares one of two directions."""
    x, y, z = torch.eye(3, dtype=torch.float64).unbind(1)
    turned = math.cos(math.pi / 3) * x + math.sin(math.pi / 3) * y
    assert subspace_overlap(x[:, None], turned[:, None]) == pytest.approx(0.25)
    assert subspace_overlap(torch.stack([x, y], 1), torch.stack([y, z], 1)) == 0.5


def test_overlap_is_the_mean_squared_cosine_of_principal_angles() -> None:
    source = torch.Generator().manual_seed(0)
    one, other = (
        torch.linalg.qr(torch.randn(9, 4, generator=source, dtype=torch.float64))[0]
        for _ in range(2)
    )
    cosines = torch.linalg.svdvals(one.T @ other)
    assert subspace_overlap(one, other) == pytest.approx(float(cosines.square().mean()))


def test_a_sketch_by_hand() -> None:
    """In layer 0 a and b use one column, c another; in layer 1 a uses two of three directions."""

    def outer(i: int, size: float = 1.0) -> torch.Tensor:
        found = torch.zeros(4, 3)
        found[i, i] = size
        return found

    sketch = matrices(
        {"a": outer(0), "b": -2 * outer(0), "c": outer(1)},
        {"a": outer(0) + outer(1), "b": outer(1), "c": torch.zeros(4, 3)},
    )
    found = subspaces(sketch, "q", ["a", "b", "c"])
    assert (found.module, found.rows, found.experts) == ("q", ("L0", "L1"), ("a", "b", "c"))
    assert found.rank == pytest.approx(np.array([[1, 1, 1], [2, 1, 0]]))
    assert found.full.tolist() == [3, 3]
    assert found.overlap[0, 2] == found.overlap[1, 2] == pytest.approx(0)
    assert np.diag(found.overlap) == pytest.approx(1)
    assert found.overlap[0, 1] == pytest.approx(found.overlap[1, 0])
    # Three pairs in layer 0 and one in layer 1, all by one direction of four.
    assert found.chance == pytest.approx(1 / 4)


def test_experts_that_change_nothing_share_nothing() -> None:
    sketch = matrices({"a": torch.zeros(2, 2), "b": torch.eye(2)})
    found = subspaces(sketch, "q", ["a", "b"])
    assert np.isnan(found.overlap[0]).all() and found.overlap[1, 1] == pytest.approx(1)
    assert math.isnan(found.chance) and found.rank[0] == pytest.approx([0, 2])


def test_random_changes_overlap_by_chance() -> None:
    layers = [
        {e: torch.randn(40, 60, generator=torch.Generator().manual_seed(10 * i + j))
         for j, e in enumerate(IDS)}
        for i in range(6)
    ]  # fmt: skip
    found = subspaces(matrices(*layers), "q", IDS)
    apart = found.overlap[np.triu_indices(3, 1)]
    assert apart.mean() == pytest.approx(found.chance, rel=0.03)


def test_kinds_are_whole_and_two_dimensional() -> None:
    assert kinds(SAMPLED) == ()
    assert kinds(WHOLE) == ("q", "up")
    base = state(0)
    small = sketch_of(base, {"a": base})
    assert kinds(small) == ("embed", "q", "down")


def test_it_is_worked_out_once_and_refuses_what_is_not_there() -> None:
    assert subspaces(WHOLE, "up", IDS) is subspaces(WHOLE, "up", IDS)
    with pytest.raises(UnknownNameError, match=r"kind of tensor 'norm'"):
        subspaces(WHOLE, "norm", IDS)
    with pytest.raises(UnknownNameError, match=r"expert 'd'"):
        subspaces(WHOLE, "q", ["d"])
