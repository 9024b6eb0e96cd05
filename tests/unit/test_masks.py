"""Random masks: a pure, uniform and independent function of seed, tensor, expert and index."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from merging.methods.masks import CHUNK, GivenMasks, HashMasks, hash_at, hash_bits, kept
from merging.sketch.by_kernels import ColumnMasks

WORD = 0xFFFFFFFF


def bits(count: int, seed: int = 0, tensor: str = "w", expert: str = "a") -> Tensor:
    return hash_bits(seed, tensor, expert, 0, count)


def by_hand(seed: int, tensor: str, expert: str, index: int) -> int:
    """The same hash in plain Python integers."""

    def mix(x: int) -> int:
        x = ((x ^ x >> 16) * 0x7FEB352D) & WORD
        x = ((x ^ x >> 15) * 0x846CA68B) & WORD
        return x ^ x >> 16

    key = sha256(f"{seed}\x1f{tensor}\x1f{expert}".encode()).digest()
    low, high = int.from_bytes(key[:4], "big"), int.from_bytes(key[4:8], "big")
    word = mix(mix((index & WORD) ^ low) ^ (index >> 32) ^ high)
    return word - (1 << 32) if word >> 31 else word


@pytest.mark.parametrize(
    ("seed", "start", "expected"),
    [
        (0, 0, [-1257775611, 196567575, 419737890, 1054904140, -1113898878, -1439305833]),
        (7, 0, [-858922889, 1211815251, 247585686]),
        (0, 2**32, [-506282171, 719781295, 708873208]),
        (0, 2**33 + 5, [-92089193, 324667633, -1573419775]),
    ],
)
def test_bits_are_those_of_the_first_release(seed: int, start: int, expected: list[int]) -> None:
    """A recipe must give the same merge in every version: these numbers never change."""
    found = hash_bits(seed, "layer.weight", "digits", start, len(expected))
    assert found.dtype == torch.int32
    assert found.tolist() == expected


@given(st.integers(0, 2**63 - 1), st.text(), st.integers(0, 2**40), st.integers(1, 9))
def test_bits_equal_the_formula_in_plain_integers(
    seed: int, name: str, start: int, count: int
) -> None:
    name = name.encode("utf-8", "ignore").decode()
    found = hash_bits(seed, name, "a", start, count).tolist()
    assert found == [by_hand(seed, name, "a", start + i) for i in range(count)]


WHOLE = hash_bits(3, "w", "a", 0, 2 * CHUNK + 100)


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_any_slice_equals_the_whole(start: int, count: int) -> None:
    count = min(count, len(WHOLE) - start)
    assert torch.equal(hash_bits(3, "w", "a", start, count), WHOLE[start : start + count])


@pytest.mark.parametrize("at", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK])
def test_a_single_element_can_be_computed_alone(at: int) -> None:
    assert hash_bits(3, "w", "a", at, 1).item() == WHOLE[at].item()


def test_a_slice_may_cross_the_32_bit_border() -> None:
    start = 2**32 - 2
    found = hash_bits(0, "w", "a", start, 4).tolist()
    assert found == [by_hand(0, "w", "a", start + i) for i in range(4)]
    assert found[2:] != bits(2).tolist()


def test_threads_and_order_change_nothing() -> None:
    starts = list(range(0, len(WHOLE), 5000))

    def part(start: int) -> Tensor:
        return hash_bits(3, "w", "a", start, min(5000, len(WHOLE) - start))

    with ThreadPoolExecutor(8) as pool:
        backwards = list(pool.map(part, reversed(starts)))
    assert torch.equal(torch.cat(backwards[::-1]), WHOLE)


def test_torch_seed_plays_no_part() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = bits(50)
        torch.manual_seed(2)
        assert torch.equal(bits(50), first)


COUNT = 1 << 18


def chi_square(counts: Tensor, expected: Tensor | float) -> float:
    return float(((counts.double() - expected).square() / expected).sum())


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_each_byte_is_uniform(shift: int) -> None:
    """255 degrees of freedom: 400 is over six standard deviations above the mean."""
    found = torch.bincount((bits(COUNT) >> shift) & 255, minlength=256)
    assert 130 < chi_square(found, COUNT / 256) < 400


def test_each_bit_is_one_half_of_the_time() -> None:
    found = torch.stack([(bits(COUNT) >> i) & 1 for i in range(32)]).sum(1).double()
    assert (found - COUNT / 2).abs().max() < 4.5 * (COUNT / 4) ** 0.5


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_keep_rate_is_binomial(rate: float, seed: int) -> None:
    found = int(HashMasks(seed).keep("w", "a", 0, COUNT, rate).sum())
    assert abs(found - COUNT * (1 - rate)) < 4 * (COUNT * rate * (1 - rate)) ** 0.5


PAIRS: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "experts": lambda: (bits(COUNT, expert="a"), bits(COUNT, expert="b")),
    "tensors": lambda: (bits(COUNT, tensor="w"), bits(COUNT, tensor="v")),
    "seeds": lambda: (bits(COUNT, seed=0), bits(COUNT, seed=1)),
    "neighbours": lambda: (bits(COUNT)[:-1], bits(COUNT)[1:]),
    "rows of 64": lambda: (bits(COUNT)[:-64], bits(COUNT)[64:]),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_pairs_are_uncorrelated(kind: str) -> None:
    both = torch.stack(PAIRS[kind]()).double()
    assert abs(float(torch.corrcoef(both)[0, 1])) < 4.5 / COUNT**0.5


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("shift", [0, 28])
def test_pairs_are_independent(kind: str, shift: int) -> None:
    """All 256 combinations of four bits of each: 255 degrees of freedom."""
    first, second = (((b >> shift) & 15).long() for b in PAIRS[kind]())
    found = torch.bincount(first * 16 + second, minlength=256)
    assert 130 < chi_square(found, len(first) / 256) < 400


@pytest.mark.parametrize("kind", PAIRS)
def test_masks_at_a_high_rate_meet_as_often_as_chance(kind: str) -> None:
    first, second = (kept(b, 0.9) for b in PAIRS[kind]())
    expected = len(first) * 0.01
    assert abs(int((first & second).sum()) - expected) < 4 * expected**0.5


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_rate_only_drops_more(one: float, other: float) -> None:
    """Moving the slider never brings back a weight that a smaller rate dropped."""
    low, high = sorted((one, other))
    masks = HashMasks(5)
    fewer = masks.keep("w", "a", 0, 4000, high)
    assert not (fewer & ~masks.keep("w", "a", 0, 4000, low)).any()


def test_kept_counts_fall_along_the_slider() -> None:
    counts = [int(HashMasks(0).keep("w", "a", 0, 4000, r / 10).sum()) for r in range(11)]
    assert counts[0] == 4000
    assert counts[-1] == 0
    assert all(a > b for a, b in pairwise(counts))


def test_rate_zero_keeps_and_rate_one_drops_everything() -> None:
    lowest, highest = torch.tensor([-(2**31)]), torch.tensor([2**31 - 1])
    masks = HashMasks(0)
    assert masks.keep("w", "a", 0, 999, 0.0).all()
    assert not masks.keep("w", "a", 0, 999, 1.0).any()
    assert kept(lowest.int(), 0.0).item() is True
    assert kept(highest.int(), 1.0).item() is False
    assert kept(highest.int(), 1 - 2**-32).item() is True


def test_threshold_is_a_share_of_all_words() -> None:
    quarters = torch.tensor([-(2**31), -(2**30) - 1, -(2**30), 0], dtype=torch.int32)
    assert kept(quarters, 0.25).tolist() == [False, False, True, True]


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.integers(0, 2**63 - 1))
def test_bits_at_scattered_elements_are_those_of_the_whole(index: list[int], seed: int) -> None:
    found = hash_at(seed, "w", "a", torch.tensor(index))
    assert found.dtype == torch.int32
    assert found.tolist() == [by_hand(seed, "w", "a", i) for i in index]


def test_preview_masks_equal_merge_masks() -> None:
    """The preview has the bits of some elements only; the merge draws them all."""
    index = torch.tensor([0, 3, 17, 18, 150, 199])
    columns = ColumnMasks({"a": hash_at(9, "w", "a", index)})
    for rate in (0.0, 0.3, 1.0):
        merge = HashMasks(9).keep("w", "a", 0, 200, rate)[index]
        assert torch.equal(columns.keep("w", "a", 0, 6, rate), merge)
        assert torch.equal(columns.keep("w", "a", 2, 3, rate), merge[2:5])


def test_given_masks_are_read_in_row_order() -> None:
    masks = GivenMasks({("w", "a"): torch.tensor([[1, 0, 1], [0, 0, 1]])})
    assert masks.keep("w", "a", 2, 4, 0.5).tolist() == [True, False, False, True]
