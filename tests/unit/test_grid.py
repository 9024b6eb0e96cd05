"""Coarse to fine: by hand, and as a permutation that refines."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from merging.search.grid import coarse_to_fine, levels

SHAPES = st.lists(st.integers(1, 24), min_size=1, max_size=2).map(tuple)


def test_levels_by_hand() -> None:
    assert levels(1) == (0,)
    assert levels(2) == (0, 0)
    assert levels(3) == (0, 0, 0)
    assert levels(4) == (0, 0, 1, 0)
    assert levels(9) == (0, 2, 1, 2, 0, 2, 1, 2, 0)


def test_one_axis_begins_with_ends_and_middle() -> None:
    order = [i for (i,) in coarse_to_fine((21,))]
    assert order[:5] == [0, 10, 20, 5, 15]
    assert order[5:9] == [2, 7, 12, 17]


def test_a_grid_begins_with_its_coarse_lattice() -> None:
    order = coarse_to_fine((5, 9))
    assert set(order[:9]) == {(i, j) for i in (0, 2, 4) for j in (0, 4, 8)}
    assert set(order[:25]) == {(i, j) for i in range(5) for j in (0, 2, 4, 6, 8)}


@given(SHAPES)
def test_every_place_once(shape: tuple[int, ...]) -> None:
    order = coarse_to_fine(shape)
    total = 1
    for count in shape:
        total *= count
    assert len(order) == len(set(order)) == total
    assert all(0 <= i < n for place in order for i, n in zip(place, shape, strict=True))
    assert order == coarse_to_fine(shape)


@given(st.integers(3, 101), st.integers(3, 101))
def test_gaps_halve(count: int, done: int) -> None:
    """After any beginning no gap is more than twice the smallest possible one, rounded."""
    order = [i for (i,) in coarse_to_fine((count,))]
    seen = sorted(order[: min(max(done, 3), count)])
    gaps = [b - a for a, b in pairwise(seen)]
    assert seen[0] == 0 and seen[-1] == count - 1
    assert max(gaps) <= 2 * min(gaps) + 2
