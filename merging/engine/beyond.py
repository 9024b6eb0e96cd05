"""What a kernel asks about elements that are not in its block, and who answers.

A trim needs order statistics, a rescaling needs norms, a tied vote needs a majority, of the whole
tensor or of the whole model. What fits one chunk is measured there; for the rest answers are found
in passes beforehand (``merging.engine.passes``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from merging.engine.ranks import Rank, Wanted
from merging.methods.context import Context, Masks, Measure
from merging.methods.selection import PART, Order, order_of
from merging.methods.totals import add, blocks

Kernel = Callable[[Tensor, Context], Tensor]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Noted(Mapping[str, Value]):
    """A mapping that notes which of its entries are read."""

    values_of: Mapping[str, Value]
    read: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Value:
        self.read.add(name)
        return self.values_of[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_of)

    def __len__(self) -> int:
        return len(self.values_of)


@dataclass(slots=True)
class Questions:
    """Stands in for magnitudes and totals and notes what a kernel asks, given an empty stack."""

    count: int
    context: Context
    wanted: list[Wanted] = field(default_factory=list)
    measures: dict[str, Measure] = field(default_factory=dict)

    def kth_smallest(self, expert: int, k: int) -> float:
        """Note an order statistic."""
        self.wanted.append((expert, k))
        return 0.0

    def spare(self, expert: int, threshold: float, kept: int) -> int | None:
        """Note nothing: ties are counted together with order statistics."""
        return None

    def total(self, name: str, measure: Measure) -> Tensor:
        """Note a sum."""
        self.measures[name] = measure
        return measure(torch.zeros(len(self.context.experts), 0), self.context)


def ask(kernel: Kernel | None, told: Context, count: int = 1) -> Questions:
    """Hand a kernel an empty stack, for which it reads and asks what it would for any other.

    Args:
        kernel: A step of a method, or None, which asks nothing.
        told: What kernels are told of a chunk without elements.
        count: Elements that are compared together.

    Returns:
        What it asked about elements beyond its block.
    """
    asked = Questions(count, told)
    if kernel is not None:
        empty = torch.zeros(len(told.experts), 0)
        kernel(empty, replace(told, magnitudes=asked, totals=asked))
    return asked


@dataclass(frozen=True, slots=True)
class Known:
    """Answers for one tensor of several chunks, or for the model.

    Attributes:
        count: Elements that are compared together.
        ranks: By expert and k.
        sums: By name of the measure.
    """

    count: int = 0
    ranks: Mapping[Wanted, Rank] = field(default_factory=dict)
    sums: Mapping[str, Tensor] = field(default_factory=dict)

    def total(self, name: str, measure: Measure) -> Tensor:
        """Return a sum over the tensor; see ``Totals``."""
        return self.sums[name]


@dataclass(slots=True)
class Here:
    """Sums over a tensor that is all at hand, each made once."""

    stack: Tensor
    context: Context
    sums: dict[str, Tensor] = field(default_factory=dict)

    def total(self, name: str, measure: Measure) -> Tensor:
        """Return a sum over the tensor; see ``Totals``."""
        if name not in self.sums:
            parts = (measure(b, told) for told, b in blocks(self.stack, self.context))
            self.sums[name] = add(parts).cpu()
        return self.sums[name]


@dataclass(frozen=True, slots=True)
class Remembered:
    """Random masks of one chunk, drawn at once: for its norms, and again for dropping.

    Attributes:
        masks: Where they come from.
        start, count: The chunk.
        drawn: Those that were asked for, by expert and drop rate.
    """

    masks: Masks
    start: int
    count: int
    drawn: dict[tuple[str, float], Tensor] = field(default_factory=dict)

    def keep(
        self, tensor: str, expert: str, start: int, count: int, drop_rate: float | Tensor
    ) -> Tensor:
        """Return the keep mask of a run of elements; see ``Masks``."""
        if isinstance(drop_rate, Tensor):
            return self.masks.keep(tensor, expert, start, count, drop_rate)
        key = (expert, drop_rate)
        if key not in self.drawn:
            whole = self.masks.keep(tensor, expert, self.start, self.count, drop_rate)
            self.drawn[key] = whole
        begin = start - self.start
        return self.drawn[key][begin : begin + count]


@dataclass(slots=True)
class ChunkMagnitudes:
    """Order statistics as the blocks of one chunk ask for them, block after block.

    Attributes:
        stack: The chunk, shape (experts, size).
        length: Elements of a block.
        known: Answers from beforehand, or None where the chunk is its whole tensor.
        number: Which chunk of the tensor it is.
        block: Which block is at hand.
    """

    stack: Tensor
    length: int
    known: Known | None = None
    number: int = 0
    block: int = 0
    found: dict[Wanted, Order] = field(default_factory=dict)
    ties: dict[Wanted, tuple[int | None, Sequence[int]]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Elements that are compared together."""
        return self.stack.shape[1] if self.known is None else self.known.count

    def kth_smallest(self, expert: int, k: int) -> float:
        """Return the k-th smallest |delta| of an expert."""
        if self.known is not None:
            return self.known.ranks[expert, k].size
        if (expert, k) not in self.found:
            self.found[expert, k] = order_of(self.stack[expert], k)
        return self.found[expert, k].size

    def spare(self, expert: int, threshold: float, kept: int) -> int | None:
        """Return how many ties of the block at hand stay, None for all; see ``Magnitudes``."""
        want = expert, self.count - kept + 1
        if want not in self.ties:
            left = self._left(want, kept)
            self.ties[want] = left, self._by_block(want, threshold) if left else ()
        left, counts = self.ties[want]
        if not left:
            return left
        left = max(0, left - sum(counts[: self.block]))
        return None if left >= counts[self.block] else left

    def _left(self, want: Wanted, kept: int) -> int | None:
        """How many ties of the chunk stay, None for all."""
        if self.known is not None:
            return self.known.ranks[want].spare(self.number, kept)
        order = self.found[want]
        return None if kept >= order.above + sum(order.ties) else kept - order.above

    def _by_block(self, want: Wanted, threshold: float) -> Sequence[int]:
        """How many ties each block has."""
        if want in self.found and (self.length == PART or self.stack.shape[1] <= self.length):
            ties = self.found[want].ties
            return ties if self.length == PART else (sum(ties),)
        if not self.stack.is_cpu:
            same = self.stack[want[0]].abs() == threshold
            starts = range(0, len(same), self.length)
            return [int(same[s : s + self.length].sum()) for s in starts]
        row = self.stack[want[0]].numpy()
        starts = range(0, len(row), self.length)
        blocks = (np.abs(row[s : s + self.length]) for s in starts)
        return [int(np.count_nonzero(block == row.dtype.type(threshold))) for block in blocks]
