"""Sums over a whole tensor or model, made of fixed blocks, so that no chunk changes their value.

Addition of floating numbers depends on its order. Every sum here adds float64 sums of blocks of
32,768 elements, counted from the start of the tensor, in the order of the blocks.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from merging.methods import loops
from merging.methods.compiled import compiles
from merging.methods.context import Context, Measure, Piece, Pieces, Settings

BLOCK = 32_768


def blocks(stack: Tensor, ctx: Context) -> Iterator[Piece]:
    """Cut a stack into blocks.

    Args:
        stack: Shape (experts, *shape); ``ctx.start`` is a multiple of 32,768.
        ctx: Of the stack.

    Yields:
        Context and deltas of each block, shape (experts, up to 32,768).
    """
    flat = stack.reshape(len(stack), -1)
    for begin in range(0, flat.shape[1], BLOCK):
        yield replace(ctx, start=ctx.start + begin, base=None), flat[:, begin : begin + BLOCK]


def add(parts: Iterable[Tensor]) -> Tensor:
    """Add float64 tensors of one shape in their order; at least one."""
    parts = iter(parts)
    total = next(parts).clone()
    for part in parts:
        total += part
    return total


def over_tensor(name: str, stack: Tensor, ctx: Context, measure: Measure) -> Tensor:
    """Return the sum of a measure over the whole tensor that a stack is a run of.

    Args:
        name: Of the measure; different measures of one method have different names.
        stack: The run at hand, shape (experts, *shape).
        ctx: Its ``totals`` know the whole tensor; without them the stack is all of it.
        measure: Returns float64 sums over one block.
    """
    if ctx.totals is not None:
        return ctx.totals.total(name, measure)
    if stack[0].numel() == 0:
        return measure(stack.reshape(len(stack), 0), ctx)
    return add(measure(part, told) for told, part in blocks(stack, ctx))


@dataclass(frozen=True, slots=True)
class Tally:
    """A survey that is a sum over the whole model, so that the model may be read in runs.

    Attributes:
        measure: Returns float64 sums over one block.
        needed: Whether anything is asked of it under these settings.
    """

    measure: Measure
    needed: Callable[[Settings], bool] = lambda settings: True

    def __call__(self, pieces: Pieces) -> Tensor:
        """Return the sum over all tensors, in the order of the pieces."""
        parts = (self.measure(b, told) for ctx, stack in pieces() for told, b in blocks(stack, ctx))
        return add(parts)


def l1(rows: Tensor) -> Tensor:
    """Return the sum of magnitudes of each row, shape (rows, ...) -> (rows,), float64."""
    if not compiles(rows):
        return torch.stack([row.abs().sum(dtype=torch.float64) for row in rows])
    sums = [loops.sum_sizes(row.reshape(-1).numpy()) for row in rows]
    return torch.tensor(sums, dtype=torch.float64)
