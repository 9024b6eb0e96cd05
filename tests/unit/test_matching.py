"""Weight matching on small cases: by hand, against every order there is, and its ties."""

import itertools

import pytest
import torch
from builders import State
from hypothesis import given
from hypothesis import strategies as st

from merging.methods.matching import best_orders, match_weights, permuted, similarity
from merging.methods.symmetries import Group, Strand, find_symmetries


def shapes_of(state: State) -> dict[str, tuple[int, ...]]:
    return {n: tuple(t.shape) for n, t in state.items()}


def test_similarity_by_hand() -> None:
    """Rows of w and entries of b count; columns of B are looked at in their order so far."""
    one = {"w": torch.tensor([[1.0, 0.0], [0.0, 2.0]]), "b": torch.tensor([1.0, -1.0])}
    two = {"w": torch.tensor([[3.0, 1.0], [0.0, 5.0]]), "b": torch.tensor([2.0, 0.0])}
    orders = {("w", 1): torch.tensor([1, 0]), ("w", 0): torch.tensor([1, 0])}
    found = similarity([("w", 0), ("b", 0)], one, two, orders)
    assert found.tolist() == [[1 + 2, 5 + 0], [6 - 2, 0 + 0]]


def test_a_tensor_with_both_axes_in_a_group_does_not_count() -> None:
    square = {"w": torch.eye(2), "b": torch.tensor([1.0, 3.0])}
    found = similarity([("w", 0), ("w", 1), ("b", 0)], square, square, {})
    assert found.tolist() == [[1, 3], [3, 9]]


@given(st.integers(0, 10**6), st.booleans())
def test_best_orders_are_the_best_of_all(seed: int, free: bool) -> None:
    """Three blocks of two places, in two strands: against every order there is."""
    source = torch.Generator().manual_seed(seed)
    gains = [torch.randn(6, 6, generator=source, dtype=torch.float64) for _ in range(2)]
    strands = (Strand((("a", 0),), free=free), Strand((("b", 0),), free=False))
    found = best_orders(Group("heads", strands, 3), gains)
    rows = torch.arange(6)
    swaps = list(itertools.product(((0, 1), (1, 0)), repeat=3)) if free else [((0, 1),) * 3]
    worths = []
    for blocks in itertools.permutations(range(3)):
        plain = torch.tensor([2 * b + p for b in blocks for p in (0, 1)])
        for swap in swaps:
            inner = torch.tensor([2 * b + p for b, s in zip(blocks, swap, strict=True) for p in s])
            worths.append(float(gains[0][rows, inner].sum() + gains[1][rows, plain].sum()))
    got = sum(float(g[rows, o].sum()) for g, o in zip(gains, found, strict=True))
    assert got == pytest.approx(max(worths), abs=1e-9)
    assert found[0].sort().values.tolist() == found[1].sort().values.tolist() == list(range(6))


def test_equal_units_are_not_exchanged() -> None:
    """Four equal hidden units fit in any order: they stay."""
    same = {"0.weight": torch.ones(4, 3), "1.weight": torch.ones(2, 4)}
    groups = find_symmetries(shapes_of(same), {}).groups
    for seed in range(5):
        orders = match_weights(same, same, groups, seed)
        assert all(torch.equal(o, torch.arange(4)) for o in orders.values())


@given(st.integers(0, 10**6))
def test_matching_never_moves_models_apart(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    shapes = {"0.weight": (6, 4), "0.bias": (6,), "1.weight": (5, 6), "2.weight": (3, 5)}
    one, two = ({n: torch.randn(s, generator=source) for n, s in shapes.items()} for _ in range(2))
    orders = match_weights(one, two, find_symmetries(shapes, {}).groups, seed)
    moved = permuted(two, orders)
    before, after = (sum(float((one[n] - t[n]).square().sum()) for n in one) for t in (two, moved))
    assert after <= before + 1e-4
