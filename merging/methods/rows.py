"""Sums over experts and over what they have in common, the same wherever a chunk begins.

A sum that torch makes over the first axis depends, from five rows on, on where a column stands,
and one over many elements on the number of threads. These do not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from merging.methods import loops
from merging.methods.compiled import compiles, flat
from merging.methods.context import Context
from merging.methods.kernels import weighted_sum
from merging.methods.totals import over_tensor


def added(rows: Tensor) -> Tensor:
    """Return the sum of rows, added in their order; shape (experts, *shape) -> (*shape)."""
    return weighted_sum(rows, [1.0] * len(rows))


def combined(rows: Tensor, factors: Sequence[float]) -> Tensor:
    """Return the sum of factor times row, made in float64 in the order of the rows.

    Args:
        rows: Shape (experts, *shape).
        factors: One per row.

    Returns:
        Shape (*shape), dtype of the rows.
    """
    total = rows[0].double() * factors[0]
    for row, factor in zip(rows[1:], factors[1:], strict=True):
        total.add_(row, alpha=factor)
    return total.to(rows.dtype)


def products(stack: Tensor, ctx: Context) -> Tensor:
    """Return the inner products of all pairs of experts over the whole tensor.

    Args:
        stack: The run at hand, shape (experts, *shape).
        ctx: Of the run.

    Returns:
        Shape (experts, experts), float64, on the CPU.
    """
    return over_tensor("products", stack, ctx, _products)


def squares(stack: Tensor, ctx: Context) -> Tensor:
    """Return the sum of squares of each expert over the whole tensor, as in ``products``."""
    return over_tensor("squares", stack, ctx, _squares)


def size(stack: Tensor, ctx: Context) -> float:
    """Return how many elements the whole tensor has."""
    return float(over_tensor("size", stack, ctx, _size))


def _size(block: Tensor, ctx: Context) -> Tensor:
    return torch.tensor(block[0].numel(), dtype=torch.float64)


def _products(block: Tensor, ctx: Context) -> Tensor:
    found = torch.zeros(len(block), len(block), dtype=torch.float64)
    if compiles(block):
        loops.products(*flat(block), block.shape[1], found.numpy())
        return found
    rows = block.double()
    for first in range(len(rows)):
        for second in range(first, len(rows)):
            found[first, second] = found[second, first] = (rows[first] * rows[second]).sum()
    return found


def _squares(block: Tensor, ctx: Context) -> Tensor:
    if not compiles(block):
        return (block.double() ** 2).sum(1).cpu()
    sums = [loops.dot(row.numpy(), row.numpy()) for row in block]
    return torch.tensor(sums, dtype=torch.float64)
