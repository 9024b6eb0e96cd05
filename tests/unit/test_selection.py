"""The k-th smallest magnitude, exactly, however unlucky the sample."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from merging.engine import ranks
from merging.engine.ranks import Wanted, rank
from merging.methods import selection
from merging.methods.selection import (
    Bracket,
    Count,
    bits_of,
    bracket_for,
    count,
    kth_smallest,
    larger,
    order_of,
    pick,
)

N = 200_003


def values(kind: str, dtype: torch.dtype = torch.float32) -> Tensor:
    source = torch.Generator().manual_seed(1)
    noise = torch.randn(N, generator=source, dtype=dtype)
    tiny = torch.finfo(dtype).smallest_normal
    made = {
        "random": noise,
        "rounded": noise.bfloat16().to(dtype),
        "few sizes": (noise * 2).round() / 2,
        "mostly zero": noise * (torch.rand(N, generator=source) < 0.01),
        "all zero": torch.zeros(N, dtype=dtype),
        "minus zero": -torch.zeros(N, dtype=dtype),
        "all equal": torch.full((N,), -0.3, dtype=dtype),
        "subnormal": noise * (tiny / 8),
        "ascending": torch.linspace(0, 1, N, dtype=dtype),
        "descending": torch.linspace(-1, 0, N, dtype=dtype),
        "one large": torch.cat([torch.zeros(N - 1, dtype=dtype), torch.ones(1, dtype=dtype)]),
        "spread": torch.exp(noise * 20),
    }
    return made[kind]


KINDS = [
    "random", "rounded", "few sizes", "mostly zero", "all zero", "minus zero", "all equal",
    "subnormal", "ascending", "descending", "one large", "spread",
]  # fmt: skip
KS = (1, 2, N // 100, N // 2, int(N * 0.7), N - 1, N)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_a_sort_gives(kind: str, dtype: torch.dtype) -> None:
    numbers = values(kind, dtype)
    ordered = numbers.abs().sort().values
    for k in KS:
        found = order_of(numbers, k)
        size = ordered[k - 1]
        assert found.size == size.item()
        assert found.above == int((ordered > size).sum())
        assert sum(found.ties) == int((ordered == size).sum())
        assert larger(numbers, found.size) == found.above


@given(
    numbers=st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=300),
    share=st.floats(0, 1),
)
def test_small_lists(numbers: list[float], share: float) -> None:
    stack = torch.tensor(numbers, dtype=torch.float32)
    k = 1 + int(share * (len(numbers) - 1))
    assert kth_smallest(stack, k) == stack.abs().sort().values[k - 1].item()


@pytest.mark.parametrize("k", [0, -1, 11])
def test_a_rank_that_is_none(k: int) -> None:
    with pytest.raises(ValueError, match=rf"k is {k}; it must be from 1 to 10\."):
        kth_smallest(torch.ones(10), k)


def test_ties_are_counted_by_parts_of_131072() -> None:
    numbers = torch.zeros(300_000)
    numbers[[5, 140_000, 140_001, 299_999]] = torch.tensor([2.0, -2.0, 2.0, 3.0])
    assert order_of(numbers, 299_998).ties == (1, 2, 0)
    assert order_of(numbers, 299_998).above == 1


def test_a_sample_that_misleads_costs_a_pass_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bracket around the wrong place is found out, and the next is wider."""
    looks: list[Bracket] = []
    real = selection.bracket_for

    def wrong(sample: selection.Bits, k: int, total: int, width: float) -> Bracket:
        looks.append(Bracket(5, 6) if len(looks) < 2 else real(sample, k, total, width))
        return looks[-1]

    monkeypatch.setattr(selection, "bracket_for", wrong)
    numbers = values("random")
    assert kth_smallest(numbers, 140_000) == numbers.abs().sort().values[139_999].item()
    assert len(looks) == 3


def test_what_one_pass_finds() -> None:
    numbers = torch.tensor([1.0, -2.0, 3.0, -2.0, 0.5])
    two = int(bits_of(numbers)[1])
    found = count(numbers, Bracket(two, two))
    assert (found.below, found.within, found.inside.tolist()) == (2, 2, [])
    wide = count(numbers, Bracket(two, int(bits_of(numbers)[2])))
    assert (wide.below, wide.within, len(wide.inside)) == (2, 3, 3)
    packed = wide.packed()
    assert packed.times is not None and packed.times.tolist() == [2, 1]
    assert pick(Bracket(two, two), [found], 4) == two
    assert pick(Bracket(two, two), [found], 5) is None
    assert pick(Bracket(two, two), [found], 2) is None


def test_a_bracket_is_narrow_and_nearly_always_right() -> None:
    source, hits, total = np.random.default_rng(0), 0, 50_000
    sizes = np.sort(np.abs(source.standard_normal(total)).astype(np.float32)).view(np.int32)
    for _ in range(200):
        found = bracket_for(sizes[source.integers(0, total, 4096)], 35_000, total)
        hits += found.low <= sizes[34_999] <= found.high
        assert np.count_nonzero((sizes >= found.low) & (sizes <= found.high)) < 0.08 * total
    assert hits >= 196


# --- In passes ------------------------------------------------------------------------------------


def ranked(numbers: Tensor, ks: list[int], parts: int) -> tuple[dict[Wanted, ranks.Rank], int]:
    """Ranks of numbers that are seen in so many chunks, and how many passes it took."""
    chunks, passes = numbers.chunk(parts), 0

    def look(brackets: Mapping[Wanted, Bracket]) -> list[tuple[int, dict[Wanted, Count]]]:
        nonlocal passes
        passes += 1
        found = [
            (i, {w: count(c, b).packed() for w, b in brackets.items()})
            for i, c in enumerate(chunks)
        ]
        return found[::-1]  # the order in which threads are ready does not matter

    sample = bits_of(numbers[:: max(1, len(numbers) // 5000)])
    return rank(look, [sample], [(0, k) for k in ks], len(numbers), numbers.dtype), passes


@pytest.mark.parametrize("gathered", [2_000_000, 50], ids=["gathered", "by cells"])
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_of_what_is_seen_in_passes(
    kind: str, gathered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where so little may be gathered that cells are counted first."""
    monkeypatch.setattr(ranks, "GATHERED", gathered)
    numbers = values(kind)
    ordered = numbers.abs().sort().values
    found, _ = ranked(numbers, list(KS), 7)
    for k in KS:
        size = ordered[k - 1]
        assert found[0, k].size == size.item()
        assert found[0, k].above == int((ordered > size).sum())
        assert found[0, k].ties == [int((c.abs() == size).sum()) for c in numbers.chunk(7)]


def test_one_pass_is_enough_where_the_sample_is_fair() -> None:
    assert ranked(values("random"), [N // 2, int(N * 0.9)], 5)[1] == 1


def test_which_ties_stay() -> None:
    """Ten stay in all, four are larger: of ties 3, 5, 2 in three chunks the first six."""
    found = ranks.Rank(1.0, above=4, ties=[3, 5, 2])
    assert [found.spare(chunk, 10) for chunk in range(3)] == [None, 3, 0]
    assert [found.spare(chunk, 14) for chunk in range(3)] == [None, None, None]
