"""The k-th smallest magnitude in operations of a device: what a sort gives."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_selection import KINDS, KS, values

from merging.methods import device_selection
from merging.methods.device_selection import count_there, order_there
from merging.methods.selection import Bracket, bits_of, count


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_a_sort_gives(kind: str, dtype: torch.dtype) -> None:
    numbers = values(kind, dtype)
    ordered = numbers.abs().sort().values
    for k in KS:
        found, size = order_there(numbers, k), ordered[k - 1]
        assert found.size == size.item()
        assert found.above == int((ordered > size).sum())
        assert found.ties == (int((ordered == size).sum()),)


@given(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=300), st.floats(0, 1))
def test_small_lists(numbers: list[float], share: float) -> None:
    stack = torch.tensor(numbers, dtype=torch.float32)
    k = 1 + int(share * (len(numbers) - 1))
    assert order_there(stack, k).size == stack.abs().sort().values[k - 1].item()


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_pieces_change_nothing(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_selection, "PIECE", piece)
    numbers = values("rounded")[:2003]
    want = numbers.abs().sort().values[1400]
    assert order_there(numbers, 1401).size == want.item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shift", [0, 5, 20])
@pytest.mark.parametrize("kind", ["random", "few sizes", "subnormal", "all zero"])
def test_a_pass_counts_what_the_cpu_counts(kind: str, shift: int, dtype: torch.dtype) -> None:
    """Also in cells, whose counts are not gathered and packed but counted at once."""
    numbers = values(kind, dtype)
    ordered = np.sort(bits_of(numbers))
    ends = (int(ordered[40_000]), int(ordered[60_000])), (0, int(ordered[-1]))
    for low, high in ends:
        bracket = Bracket(low, high, shift + 30 * (dtype == torch.float64 and shift > 0))
        here, there = count(numbers, bracket).packed(), count_there(numbers, bracket)
        there = there if there.times is not None else there.packed()
        assert (there.below, there.within) == (here.below, here.within)
        if low < high:
            assert np.array_equal(there.inside, here.inside)
            assert np.array_equal(there.times, here.times)
        assert there.inside.dtype == here.inside.dtype
