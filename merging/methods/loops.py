"""The steps of TIES as compiled loops: tile by tile, expert by expert, all that is needed at hand.

``merging.methods.kernels`` says what is computed, and computes the same by torch's operations where
deltas lie on another device. Rows of experts come as one flat array and the distance between their
beginnings; all numbers are of one type, float32 or float64.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from merging.methods.compiled import compiled

Floats = NDArray[Any]

TILE = 1024
LANES = RUN = 64
COMBINE = ("mean", "weighted_mean", "sum", "max")
MEAN, WEIGHTED_MEAN, SUM, MAX = range(4)


@compiled
def trim(rows: Floats, step: int, limits: Floats, kept: Floats) -> None:
    """Zero what is not larger than each expert's limit; a limit of -1 keeps everything.

    Args:
        rows: Flat.
        step: From one expert's first element to the next one's.
        limits: One for each expert.
        kept: Gets the result, shape (experts, count).
    """
    zero = limits.dtype.type(0)
    for expert in range(len(limits)):
        row, out, limit = rows[expert * step :], kept[expert], limits[expert]
        for i in range(len(out)):
            out[i] = row[i] if abs(row[i]) > limit else zero


@compiled
def trim_ties(row: Floats, size: Any, spare: int, kept: Floats) -> None:
    """Zero what is as large as ``size``, but for the first ``spare`` of those.

    Args:
        row: Values before trimming, shape (count,).
        size: A magnitude.
        spare: How many stay.
        kept: The same, trimmed; changed in place.
    """
    zero = kept.dtype.type(0)
    met = 0
    for begin in range(0, len(row), RUN):
        run, out = row[begin : begin + RUN], kept[begin : begin + RUN]
        ties = np.int32(0)
        for i in range(len(run)):
            ties = np.int32(ties + np.int32(abs(run[i]) == size))
        met += int(ties)
        if met <= spare or ties == 0:
            continue
        left = spare - (met - ties)
        for i in range(len(run)):
            if abs(run[i]) == size:
                if left <= 0:
                    out[i] = zero
                left -= 1


@compiled
def add(rows: Floats, step: int, weights: Floats, total: Floats) -> None:
    """Add rows times their weights, in order; ``total`` gets the sum, shape (count,)."""
    for begin in range(0, len(total), TILE):
        out = total[begin : begin + TILE]
        for expert in range(len(weights)):
            row, weight = rows[expert * step + begin :], weights[expert]
            if expert == 0:
                for i in range(len(out)):
                    out[i] = row[i] * weight
            else:
                for i in range(len(out)):
                    out[i] += row[i] * weight


@compiled
def elect(rows: Floats, step: int, factors: Floats, by_count: bool, tie: Any, out: Floats) -> None:
    """Elect one sign for each coordinate.

    Args:
        rows: Flat.
        step: Between rows.
        factors: What each expert's values are multiplied by before they vote.
        by_count: Whether every expert has one vote.
        tie: What a vote that cancels becomes.
        out: Gets -1, 1 or ``tie``, shape (count,).
    """
    zero, one = out.dtype.type(0), out.dtype.type(1)
    out[:] = zero
    for expert in range(len(factors)):
        row, factor = rows[expert * step :], factors[expert]
        if by_count:
            for i in range(len(out)):
                vote = row[i] * factor
                out[i] += one if vote > zero else (-one if vote < zero else zero)
        else:
            for i in range(len(out)):
                out[i] += row[i] * factor
    for i in range(len(out)):
        out[i] = one if out[i] > zero else (-one if out[i] < zero else tie)


@compiled
def combine_agreeing(
    rows: Floats,
    step: int,
    before: Floats,
    after: Floats,
    signs: Floats,
    combine: int,
    share: Floats,
    out: Floats,
) -> None:
    """Combine the experts that carry the elected sign.

    Args:
        rows: Flat.
        step: Between rows.
        before: What values are multiplied by before they are compared with the sign.
        after: What those that agree are multiplied by.
        signs: -1, 0 or 1, shape (count,).
        combine: ``MEAN``, ``WEIGHTED_MEAN`` (by ``before`` times ``after``), ``SUM`` or ``MAX``.
        share: Working space, shape (count,).
        out: Gets the result, shape (count,).
    """
    zero, one = out.dtype.type(0), out.dtype.type(1)
    out[:] = zero
    share[:] = zero
    for expert in range(len(before)):
        row, first, second = rows[expert * step :], before[expert], after[expert]
        if combine == MAX:
            for i in range(len(out)):
                value = max(row[i] * first * signs[i], zero) * second
                out[i] = value if abs(value) > abs(out[i]) else out[i]
            continue
        part = first * second if combine == WEIGHTED_MEAN else one
        for i in range(len(out)):
            agreeing = row[i] * first * signs[i]
            out[i] += max(agreeing, zero) * second
            share[i] += part if agreeing > zero else zero
    for i in range(len(out)):
        out[i] *= signs[i]
    if combine == MEAN:
        for i in range(len(out)):
            out[i] /= max(share[i], one)
    elif combine == WEIGHTED_MEAN:
        for i in range(len(out)):
            out[i] /= share[i] + (one if share[i] == zero else zero)


@compiled
def consensus(
    rows: Floats,
    step: int,
    before: Floats,
    after: Floats,
    by_count: bool,
    tie: Any,
    combine: int,
    scale: Any,
    merged: Floats,
) -> None:
    """Elect a sign, combine those that carry it, and scale; arguments as of the steps."""
    share, signs = np.empty(TILE, merged.dtype), np.empty(TILE, merged.dtype)
    for begin in range(0, len(merged), TILE):
        out = merged[begin : begin + TILE]
        size, here = len(out), rows[begin:]
        elect(here, step, before, by_count, tie, signs[:size])
        combine_agreeing(here, step, before, after, signs[:size], combine, share[:size], out)
        for i in range(size):
            out[i] *= scale


@compiled
def sum_sizes(values: Floats) -> float:
    """Return the sum of magnitudes in float64: of every 64th element, then of those sums."""
    sums = np.zeros(LANES)
    whole = len(values) // LANES * LANES
    for begin in range(0, whole, LANES):
        run = values[begin : begin + LANES]
        for lane in range(LANES):
            sums[lane] += abs(run[lane])
    rest = values[whole:]
    for lane in range(len(rest)):
        sums[lane] += abs(rest[lane])
    total = 0.0
    for lane in range(LANES):
        total += sums[lane]
    return total


@compiled
def mask(rows: Floats, step: int, keep: NDArray[np.bool_], out: Floats) -> None:
    """Zero what is not kept.

    Args:
        rows: Flat.
        step: Between rows.
        keep: Shape (experts, count).
        out: Gets the result, shape (experts, count).
    """
    zero = out.dtype.type(0)
    for expert in range(len(keep)):
        row, kept, made = rows[expert * step :], keep[expert], out[expert]
        for i in range(len(kept)):
            made[i] = row[i] if kept[i] else zero


@compiled
def sum_sizes_kept(
    rows: Floats, step: int, keep: NDArray[np.bool_], sums: NDArray[np.float64]
) -> None:
    """Sum magnitudes as ``sum_sizes`` does, of all values and of those kept; arguments of ``mask``.

    Args:
        rows: Flat.
        step: Between rows.
        keep: Shape (experts, count).
        sums: Gets the sums before and after, shape (2, experts).
    """
    kept = np.empty(keep.shape[1], rows.dtype)
    for expert in range(len(keep)):
        row, marks = rows[expert * step : expert * step + len(kept)], keep[expert]
        for i in range(len(kept)):
            kept[i] = row[i] * rows.dtype.type(marks[i])
        sums[0, expert] = sum_sizes(row)
        sums[1, expert] = sum_sizes(kept)


@compiled
def dot(first: Floats, second: Floats) -> float:
    """Return the inner product in float64: of every 64th element, then of those sums."""
    sums = np.zeros(LANES)
    whole = len(first) // LANES * LANES
    for begin in range(0, whole, LANES):
        one, other = first[begin : begin + LANES], second[begin : begin + LANES]
        for lane in range(LANES):
            sums[lane] += np.float64(one[lane]) * np.float64(other[lane])
    one, other = first[whole:], second[whole:]
    for lane in range(len(one)):
        sums[lane] += np.float64(one[lane]) * np.float64(other[lane])
    total = 0.0
    for lane in range(LANES):
        total += sums[lane]
    return total


@compiled
def products(rows: Floats, step: int, count: int, found: NDArray[np.float64]) -> None:
    """Take the inner products of all pairs of rows, each of ``count`` elements, as ``dot`` does."""
    for i in range(len(found)):
        for j in range(i, len(found)):
            first, second = rows[i * step : i * step + count], rows[j * step : j * step + count]
            found[i, j] = found[j, i] = dot(first, second)
