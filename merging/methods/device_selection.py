"""Exact order statistics of magnitudes on a device, in operations of torch.

The same way as on the CPU (``merging.methods.selection``): a sample gives a bracket, one pass
counts below it and gathers what lies within, the k-th is selected among those few, and where the
sample was unlucky the bracket widens. Nothing but the sample and single counts is fetched. Any
device will do, also the CPU.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from merging.methods.selection import (
    LEAST_SAMPLE,
    SAMPLE,
    Bits,
    Bracket,
    Count,
    Order,
    as_number,
    brackets,
)

PIECE = 1 << 26  # elements compared at a time: bounds the memory that comparisons take
_KINDS = {torch.float32: torch.int32, torch.float64: torch.int64}


def order_there(values: Tensor, k: int) -> Order:
    """Find the k-th smallest magnitude where the numbers lie; see ``selection.order_of``.

    Args:
        values: Numbers of any shape, float32 or float64, none of them NaN.
        k: From 1 to the number of values.

    Returns:
        The order statistic; its ties in one sum.
    """
    flat, total = values.reshape(-1), values.numel()
    sample = _sample(flat, total)
    for bracket in brackets(sample, k, total):
        below, within, inside = _look(flat, bracket)
        rank = k - below
        if not 1 <= rank <= within:
            continue
        if bracket.low == bracket.high:
            return Order(as_number(bracket.low, values.dtype), total - below - within, (within,))
        bits = int(torch.kthvalue(inside, rank).values)
        ties, smaller = int((inside == bits).sum()), int((inside < bits).sum())
        above = total - below - smaller - ties
        return Order(as_number(bits, values.dtype), above, (ties,))
    raise AssertionError("the last bracket encloses everything")


def count_there(values: Tensor, bracket: Bracket) -> Count:
    """Count the sizes below a bracket and gather those within; see ``selection.count``.

    Args:
        values: Numbers of any shape, float32 or float64.
        bracket: Both ends included; with a shift few cells are counted instead of gathering.

    Returns:
        What was found, on the CPU: of one part, and in cells how often each was met.
    """
    flat = values.reshape(-1)
    if not bracket.shift:
        below, within, inside = _look(flat, bracket)
        gathered: Bits = inside.cpu().numpy()
        return Count(below, within, gathered, (within,))
    first, last = bracket.low >> bracket.shift, bracket.high >> bracket.shift
    times = torch.zeros(last - first + 1, dtype=torch.int64, device=values.device)
    below = 0
    for bits in _pieces(flat):
        below += int((bits < bracket.low).sum())
        cells = (bits[_within(bits, bracket)] >> bracket.shift) - first
        times += torch.bincount(cells, minlength=len(times))
    met = times.cpu().numpy()
    cell = np.flatnonzero(met)
    kind = np.int32 if values.dtype == torch.float32 else np.int64
    sizes: Bits = ((cell + first) << bracket.shift).astype(kind)
    within = int(met.sum())
    return Count(below, within, sizes, (within,), met[cell])


def _look(flat: Tensor, bracket: Bracket) -> tuple[int, int, Tensor]:
    """Count below and within a bracket; gather what lies within unless it is one size."""
    below, within = 0, 0
    inside = [torch.empty(0, dtype=_KINDS[flat.dtype], device=flat.device)]
    for bits in _pieces(flat):
        here = _within(bits, bracket)
        less, inner = torch.stack([(bits < bracket.low).sum(), here.sum()]).cpu().tolist()
        below, within = below + less, within + inner
        if bracket.low < bracket.high:
            inside.append(bits[here])
    return below, within, torch.cat(inside)


def _within(bits: Tensor, bracket: Bracket) -> Tensor:
    return (bits >= bracket.low) & (bits <= bracket.high)


def _pieces(flat: Tensor) -> Iterator[Tensor]:
    """Yield magnitudes as integers in the same order, piece by piece."""
    kind = _KINDS[flat.dtype]
    for start in range(0, len(flat), PIECE):
        piece = flat[start : start + PIECE]
        yield piece.view(kind) & torch.iinfo(kind).max


def _sample(flat: Tensor, total: int) -> Bits:
    some = min(SAMPLE, max(LEAST_SAMPLE, total // 64))
    if some < total:
        places = np.random.default_rng(total).integers(0, total, some)
        flat = flat[torch.from_numpy(places).to(flat.device)]
    kind = _KINDS[flat.dtype]
    found: Bits = (flat.view(kind) & torch.iinfo(kind).max).cpu().numpy()
    return found
