"""Order statistics of numbers that are only seen in passes: a tensor of many chunks, or a model."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from merging.methods.selection import Bits, Bracket, Count, as_number, bracket_for, pick

Wanted = tuple[int, int]  # expert and k
Look = Callable[[Mapping[Wanted, Bracket]], Iterable[tuple[int, Mapping[Wanted, Count]]]]

SPOT = 1024  # elements next to each other in a sample
LEAST_SPOTS = 64
SHARE = 1 / 256  # of all elements that is sampled
MOST_SPOTS = 1024
GATHERED = 2_000_000  # most sizes of an expert that are gathered
CELLS = 4096
WIDTH = 9.0  # standard deviations: neighbours are alike, so a sample of runs is worth less
WIDER = 8.0


@dataclass(frozen=True, slots=True)
class Rank:
    """An order statistic of an expert and what stands around it.

    Attributes:
        size: The k-th smallest magnitude.
        above: How many are larger.
        ties: How many are equal in each chunk, in order.
    """

    size: float
    above: int
    ties: Sequence[int]

    def spare(self, chunk: int, kept: int) -> int | None:
        """Return how many ties of a chunk stay so that ``kept`` stay in all, None for all."""
        left = max(0, kept - self.above - sum(self.ties[:chunk]))
        return None if left >= self.ties[chunk] else left


def rank(
    look: Look,
    samples: Sequence[Bits],
    wanted: Iterable[Wanted],
    total: int,
    dtype: torch.dtype,
) -> dict[Wanted, Rank]:
    """Find order statistics, exactly, in memory that does not grow with the number of elements.

    Where more sizes are expected in a bracket than may be gathered, a first pass counts them
    rounded down to few cells, and the cell that holds the k-th is the next bracket.

    Args:
        look: One pass over all chunks: counts for each bracket, packed, with the chunk's number.
        samples: Bits of some sizes of each expert.
        wanted: Experts and k.
        total: Number of elements of each expert.
        dtype: Of the numbers.
    """
    found: dict[Wanted, Rank] = {}
    width = dict.fromkeys(wanted, WIDTH)
    brackets = {w: _first(samples[w[0]], w[1], total, WIDTH) for w in width}
    while brackets:
        passes = [counts for _, counts in sorted(look(brackets), key=lambda pair: pair[0])]
        for want, bracket in list(brackets.items()):
            counts = [c[want] for c in passes]
            bits = pick(bracket, counts, want[1])
            if bits is None:
                width[want] *= WIDER
                brackets[want] = _first(samples[want[0]], want[1], total, width[want])
            elif bracket.shift:
                brackets[want] = bracket.cell(bits)
            else:
                found[want] = _rank_at(bits, bracket, counts, total, dtype)
                del brackets[want]
    return found


def most_gathered(total: int) -> int:
    """Return how many sizes of an expert a first bracket holds at most, as samples go.

    Args:
        total: Number of elements that are compared together.
    """
    sampled = max(1, spots_of(total) * SPOT)
    return min(GATHERED, total, int(WIDTH * total / math.sqrt(sampled)))


def spots_of(total: int) -> int:
    """Return how many runs of neighbours are sampled of so many elements."""
    return min(MOST_SPOTS, max(LEAST_SPOTS, int(total * SHARE) // SPOT))


def _first(sample: Bits, k: int, total: int, width: float) -> Bracket:
    bracket = bracket_for(sample, k, total, width)
    within = np.count_nonzero((sample >= bracket.low) & (sample <= bracket.high))
    if within / len(sample) * total <= GATHERED:
        return bracket
    cells = (bracket.high - bracket.low) // CELLS
    return replace(bracket, shift=cells.bit_length())


def _rank_at(
    bits: int, bracket: Bracket, counts: Sequence[Count], total: int, dtype: torch.dtype
) -> Rank:
    above = total - sum(c.up_to(bits, bracket) for c in counts)
    return Rank(as_number(bits, dtype), above, [c.equal(bits, bracket) for c in counts])
