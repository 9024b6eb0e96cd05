"""Where a tensor is cut: chunks that one worker merges at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from merging.engine.plan import Step

CHUNK = 1 << 20  # elements, a multiple of the 32,768 of a block


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of elements of one tensor.

    Attributes:
        step: The tensor.
        start, stop: First element and the one after the last, counted in the flat tensor.
        number: Which chunk of the tensor it is, from 0.
        whole: The chunk is the tensor.
    """

    step: Step
    start: int
    stop: int
    number: int = 0
    whole: bool = False

    def part(self, start: int, stop: int) -> "Chunk":
        """Return a part of the chunk, counted from its first element."""
        return Chunk(self.step, self.start + start, self.start + stop)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.stop - self.start


def cut(steps: Iterable[Step], size: int = CHUNK) -> Iterator[Chunk]:
    """Cut tensors into chunks, in order.

    Args:
        steps: Tensors.
        size: Most elements of a chunk.
    """
    for step in steps:
        count = torch.Size(step.info.shape).numel()
        for number, start in enumerate(range(0, count, size)):
            stop = min(start + size, count)
            yield Chunk(step, start, stop, number, stop - start == count)
