"""Sums over experts and over what they have in common, the same wherever a chunk begins.

A sum that torch makes over the first axis depends, from five rows on, on where a column stands,
and one over many elements on the number of threads. These do not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from merging.methods.context import Context
from merging.methods.kernels import weighted_sum
from merging.methods.scripted import scripted
from merging.methods.totals import over_tensor

SERIAL = 16_384  # elements that torch adds in one thread, whatever their number


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
    return _combined(rows, list(factors))


@scripted
def _combined(rows: Tensor, factors: list[float]) -> Tensor:
    total = rows[0].double() * factors[0]
    for index in range(1, rows.size(0)):
        total.add_(rows[index], alpha=factors[index])
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
    return _pairs(block, SERIAL, False).cpu()


def _squares(block: Tensor, ctx: Context) -> Tensor:
    return _pairs(block, SERIAL, True).diagonal().cpu()


@scripted
def _pairs(rows: Tensor, serial: int, alone: bool) -> Tensor:
    count = rows.size(0)
    found = torch.zeros([count, count], dtype=torch.float64, device=rows.device)
    for begin in range(0, rows.size(1), serial):
        part = rows[:, begin : begin + serial].double()
        for i in range(count):
            for j in range(i, i + 1 if alone else count):
                found[i, j] += (part[i] * part[j]).sum()
    return found + found.triu(1).t()
