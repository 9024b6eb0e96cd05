"""Exact order statistics of magnitudes: a sampled bracket, one counting pass, a small selection.

The bits of non-negative floating numbers, read as integers, are in the order of the numbers. A
sample gives two sizes between which the k-th must lie, nearly always. One pass counts what is
smaller and gathers what lies between; the k-th is then selected among those few. Where the sample
was unlucky the bracket widens and the pass is repeated, so the answer is always exact.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.methods.counting import count_bracket, gather

Bits = NDArray[np.signedinteger]

SAMPLE = 65_536
LEAST_SAMPLE = 4_096
PART = 1 << 17  # elements in which ties are counted together
WIDTH = 3.0  # standard deviations of a sampled rank on each side
WIDER = 8.0  # times, after a sample that was unlucky
COMMON = 128  # one size in so many is common
_KINDS = {torch.float32: np.int32, torch.float64: np.int64}


@dataclass(frozen=True, slots=True)
class Bracket:
    """Sizes, as bits, between which an order statistic should lie; both ends included.

    Attributes:
        low, high: The ends.
        shift: How many low bits are cut off what is gathered: sizes are counted in cells.
    """

    low: int
    high: int
    shift: int = 0

    def cell(self, bits: int) -> "Bracket":
        """Return the cell of sizes whose bits begin with these."""
        low = (bits >> self.shift) << self.shift
        return Bracket(max(low, self.low), min(low + (1 << self.shift) - 1, self.high))


@dataclass(frozen=True, slots=True)
class Count:
    """What one pass found of a bracket.

    Attributes:
        below: How many sizes are smaller than the bracket.
        within: How many lie within.
        inside: Those, as bits, in the order in which they were met; left empty where both ends are
            one size, since they are all alike.
        parts: How many lie within in each part of 2**16.
        times: How often each of ``inside`` was met, or None for once each.
    """

    below: int
    within: int
    inside: Bits
    parts: tuple[int, ...] = ()
    times: Bits | None = None

    def packed(self) -> "Count":
        """Return the same with equal sizes put together, in ascending order."""
        sizes, times = np.unique(self.inside, return_counts=True)
        return Count(self.below, self.within, sizes, self.parts, times)

    def equal(self, size: int, bracket: Bracket) -> int:
        """Return how many have one size within the bracket."""
        if bracket.low == bracket.high:
            return self.within
        return self._met(self.inside == size)

    def equal_by_part(self, size: int, bracket: Bracket) -> tuple[int, ...]:
        """Return the same by part, of a count that is not packed."""
        if bracket.low == bracket.high:
            return self.parts
        parts = np.split(self.inside == size, np.cumsum(self.parts)[:-1])
        return tuple(int(np.count_nonzero(part)) for part in parts)

    def up_to(self, size: int, bracket: Bracket) -> int:
        """Return how many are at most of one size within the bracket."""
        if bracket.low == bracket.high:
            return self.below + self.within
        return self.below + self._met(self.inside <= size)

    def _met(self, which: NDArray[np.bool_]) -> int:
        return int(np.count_nonzero(which) if self.times is None else self.times[which].sum())


@dataclass(frozen=True, slots=True)
class Order:
    """An order statistic and what stands around it.

    Attributes:
        size: The k-th smallest magnitude.
        above: How many are larger.
        ties: How many are as large, in each part of 2**16; on a GPU in one sum.
    """

    size: float
    above: int
    ties: tuple[int, ...]


def kth_smallest(values: Tensor, k: int) -> float:
    """Return the k-th smallest magnitude; see ``order_of``."""
    return order_of(values, k).size


def order_of(values: Tensor, k: int) -> Order:
    """Find the k-th smallest magnitude.

    Args:
        values: Numbers of any shape, float32 or float64, none of them NaN.
        k: From 1 to the number of values.

    Raises:
        ValueError: ``k`` is out of range.
    """
    total = values.numel()
    if not 1 <= k <= total:
        raise ValueError(f"k is {k}; it must be from 1 to {total}.")
    if values.device.type != "cpu":
        from merging.methods.device_selection import order_there

        return order_there(values, k)
    flat = values.reshape(-1).numpy().view(_KINDS[values.dtype])
    some = min(SAMPLE, max(LEAST_SAMPLE, total // 64))
    sample = flat[:: total // some | 1]  # an odd step meets all columns of most matrices
    for bracket in brackets(sample & np.iinfo(flat.dtype).max, k, total):
        counted = count(values, bracket)
        found = pick(bracket, [counted], k)
        if found is not None:
            ties = counted.equal_by_part(found, bracket)
            above = total - counted.up_to(found, bracket)
            return Order(as_number(found, values.dtype), above, ties)
    raise AssertionError("the last bracket encloses everything")


def brackets(sample: Bits, k: int, total: int) -> Iterator[Bracket]:
    """Yield where to look for the k-th of ``total`` sizes, better guesses first, at last all.

    A size that many share, as between weights of a small type, is tried alone first: then nothing
    has to be gathered.

    Args:
        sample: Bits of a random sample of the sizes.
        k: From 1 to ``total``.
        total: How many numbers the sample stands for.
    """
    place = min(len(sample) - 1, k * len(sample) // total)
    likely = int(np.partition(sample, place)[place])
    if np.count_nonzero(sample == likely) * COMMON > len(sample):
        yield Bracket(likely, likely)
    width = WIDTH
    while width < len(sample):
        yield bracket_for(sample, k, total, width)
        width *= WIDER
    yield Bracket(0, int(np.iinfo(sample.dtype).max))


def bracket_for(sample: Bits, k: int, total: int, width: float = WIDTH) -> Bracket:
    """Return sizes that enclose the k-th of ``total`` with overwhelming chance.

    Args:
        sample: Bits of a random sample of the sizes.
        k: From 1 to ``total``.
        total: How many numbers the sample stands for.
        width: Standard deviations of the sampled rank on each side; what reaches beyond the sample
            encloses everything there.
    """
    ordered, share = np.sort(sample), k / total
    margin = width * (math.sqrt(len(sample) * share * (1 - share)) + 1)
    low, high = (math.floor(share * len(sample) + side * margin) for side in (-1, 1))
    return Bracket(
        int(ordered[low]) if low >= 0 else 0,
        int(ordered[high]) if high < len(ordered) else int(np.iinfo(ordered.dtype).max),
    )


def pick(bracket: Bracket, counts: Iterable[Count], k: int) -> int | None:
    """Return the k-th size as bits, or None where it lies outside the bracket."""
    parts = list(counts)
    rank, within = k - sum(c.below for c in parts), sum(c.within for c in parts)
    if not 1 <= rank <= within:
        return None
    if bracket.low == bracket.high:
        return bracket.low
    sizes = np.concatenate([c.inside for c in parts])
    if parts[0].times is None:
        return _among(sizes, rank, bracket)
    order = np.argsort(sizes)
    upto = np.concatenate([c.times for c in parts if c.times is not None])[order].cumsum()
    return int(sizes[order[np.searchsorted(upto, rank)]])


def count(values: Tensor, bracket: Bracket) -> Count:
    """Count the sizes below a bracket and gather those within.

    Args:
        values: Numbers on the CPU, float32 or float64.
        bracket: Both ends included.
    """
    bits = values.reshape(-1).numpy().view(_KINDS[values.dtype])
    kind = bits.dtype.type
    ends = kind(np.iinfo(bits.dtype).max), kind(bracket.low), kind(bracket.high)
    parts = np.zeros(-(-len(bits) // PART), np.int64)
    below = count_bracket(bits, *ends, PART, parts)
    within = int(parts.sum())
    inside = np.empty(within if bracket.low < bracket.high else 0, bits.dtype)
    if len(inside):
        gather(bits, *ends, inside)
    if bracket.shift:
        inside = inside >> bracket.shift << bracket.shift
    return Count(int(below), within, inside, tuple(parts.tolist()))


def larger(values: Tensor, size: float) -> int:
    """Return how many magnitudes are larger than ``size``."""
    if values.device.type != "cpu":
        return int((values.abs() > size).sum())
    return int(np.count_nonzero(bits_of(values) > as_bits(size, values.dtype)))


def bits_of(values: Tensor) -> Bits:
    """Return magnitudes as integers in the same order, shape (elements,)."""
    flat = values.reshape(-1).numpy().view(_KINDS[values.dtype])
    return flat & np.iinfo(flat.dtype).max


def as_number(bits: int, dtype: torch.dtype) -> float:
    """Return the number whose bits these are."""
    return float(np.array(bits, _KINDS[dtype]).view(f"f{dtype.itemsize}"))


def before(number: float, dtype: torch.dtype) -> float:
    """Return the largest number of a type that is smaller."""
    kind = np.dtype(f"f{dtype.itemsize}").type
    return float(np.nextafter(kind(number), kind(-1)))


def as_bits(number: float, dtype: torch.dtype) -> int:
    """Return the bits of a non-negative number."""
    return int(np.array(number, f"f{dtype.itemsize}").view(_KINDS[dtype]))


def _among(sizes: Bits, rank: int, bracket: Bracket) -> int:
    """Select from what lies within a bracket; its ends first, which many may share."""
    if rank <= np.count_nonzero(sizes == bracket.low):
        return bracket.low
    if rank > len(sizes) - np.count_nonzero(sizes == bracket.high):
        return bracket.high
    return _select(sizes, rank)


def _select(sizes: Bits, k: int) -> int:
    sizes.partition(k - 1)
    return int(sizes[k - 1])
