"""Sign conflict counted by brute force, and the level of coin tosses."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from merging.analysis import ConflictCount, add_counts, count_conflict

STACKS = st.integers(1, 5).flatmap(
    lambda experts: st.lists(
        st.lists(st.sampled_from([-1, 0, 1]), min_size=experts, max_size=experts),
        min_size=1,
        max_size=40,
    )
)


def count(columns: list[list[int]]) -> ConflictCount:
    """Count over a list of coordinates, each with one sign per expert."""
    return count_conflict(tensor(columns, dtype=torch.int8).T.contiguous())


def test_four_coordinates_by_hand() -> None:
    """Kept by 2, 2, 1 and 0 experts; both signs meet at the first only."""
    found = count([[1, -1], [-1, -1], [0, 1], [0, 0]])
    assert found == ConflictCount(survivors=(1, 1, 2), contested=1)
    assert (found.total, found.shared) == (4, 2)
    assert (found.share, found.share_of_all) == (0.5, 0.25)
    assert (found.chance, found.chance_of_all) == (0.5, 0.25)


def test_chance_by_hand() -> None:
    """Two coins differ in 1/2 of all tosses, three in 3/4, four in 7/8."""
    found = ConflictCount(survivors=(10, 10, 4, 4, 8), contested=0)
    assert found.chance == (4 * 1 / 2 + 4 * 3 / 4 + 8 * 7 / 8) / 16
    assert found.chance_of_all == (4 * 1 / 2 + 4 * 3 / 4 + 8 * 7 / 8) / 36


@given(STACKS)
def test_counts_by_brute_force(columns: list[list[int]]) -> None:
    found, experts = count(columns), len(columns[0])
    kept = [sum(s != 0 for s in column) for column in columns]
    assert found.survivors == tuple(kept.count(m) for m in range(experts + 1))
    assert found.contested == sum({-1, 1} <= set(column) for column in columns)
    assert found.total == len(columns)
    assert found.shared == sum(m >= 2 for m in kept)


@given(STACKS)
def test_chance_by_all_tosses(columns: list[list[int]]) -> None:
    """Every assignment of signs to the survivors of each coordinate, counted."""
    found = count(columns)
    shares = []
    for kept in (sum(s != 0 for s in column) for column in columns):
        tosses = list(itertools.product([-1, 1], repeat=kept))
        shares.append(sum({-1, 1} <= set(toss) for toss in tosses) / len(tosses))
    assert found.chance_of_all == pytest.approx(sum(shares) / len(columns))
    if found.shared:
        assert found.chance == pytest.approx(sum(shares) / found.shared)
    else:
        assert found.chance is None
        assert found.share is None


def test_coin_tosses_meet_the_chance_level() -> None:
    source = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (4, 50_000), generator=source) * 2 - 1
    kept = torch.rand(4, 50_000, generator=source) < 0.4
    found = count_conflict((signs * kept).to(torch.int8))
    assert found.share is not None
    assert found.chance is not None
    error = (found.chance * (1 - found.chance) / found.shared) ** 0.5
    assert abs(found.share - found.chance) < 4 * error


def test_identical_experts_never_conflict() -> None:
    one = torch.randint(-1, 2, (1, 100), generator=torch.Generator().manual_seed(0))
    found = count_conflict(one.repeat(3, 1).to(torch.int8))
    assert found.contested == 0
    assert found.share == 0
    assert found.chance == 0.75


def test_sixty_four_experts_fit() -> None:
    signs = torch.ones(64, 3, dtype=torch.int8)
    signs[0] = -1
    assert count_conflict(signs) == ConflictCount((0,) * 64 + (3,), 3)


@given(STACKS, st.integers(0, 40))
def test_counts_of_parts_add_up(columns: list[list[int]], cut: int) -> None:
    cut = min(cut, len(columns))
    parts = [count(part) for part in (columns[:cut], columns[cut:]) if part]
    assert add_counts(parts) == count(columns)


def test_few_shared_coordinates_are_marked() -> None:
    assert ConflictCount((0, 100, 49), 3).too_few
    assert not ConflictCount((0, 0, 50), 3).too_few


def test_nothing_at_all_is_no_conflict() -> None:
    none = ConflictCount((0, 0, 0), 0)
    assert (none.share, none.chance, none.share_of_all, none.chance_of_all) == (None, None, 0, 0)
