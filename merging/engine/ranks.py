"""Order statistics of numbers that are only seen in passes: a tensor of many chunks, or a model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from merging.methods.selection import Bits, Bracket, Count, as_number, bracket_for, pick

Wanted = tuple[int, int]  # expert and k
Look = Callable[[Mapping[Wanted, Bracket]], Iterable[tuple[int, Mapping[Wanted, Count]]]]

SPOT = 1024  # elements next to each other in a sample
LEAST_SPOTS = 64
SHARE = 1 / 256  # of all elements that is sampled
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
    """Find order statistics, exactly.

    Args:
        look: One pass over all chunks: counts for each bracket, packed, with the chunk's number.
        samples: Bits of some sizes of each expert.
        wanted: Experts and k.
        total: Number of elements of each expert.
        dtype: Of the numbers.
    """
    found: dict[Wanted, Rank] = {}
    todo, width = list(dict.fromkeys(wanted)), WIDTH
    while todo:
        brackets = {w: bracket_for(samples[w[0]], w[1], total, width) for w in todo}
        passes = [counts for _, counts in sorted(look(brackets), key=lambda pair: pair[0])]
        for want in list(todo):
            bracket, counts = brackets[want], [c[want] for c in passes]
            bits = pick(bracket, counts, want[1])
            if bits is None:
                continue
            found[want] = Rank(
                as_number(bits, dtype),
                total - sum(c.up_to(bits, bracket) for c in counts),
                [c.equal(bits, bracket) for c in counts],
            )
            todo.remove(want)
        width *= WIDER
    return found
