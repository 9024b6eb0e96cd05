"""One sweep over models as they are stored: changes, their sums and sizes, and the samples.

Everything about a tile of 1,024 coordinates happens while it is in cache. Sums are float64; those
of one tile are added in whatever order suits the machine's vectors, tiles one after another. The
products of two float32 numbers are exact in float64.
"""

import numpy as np
from numpy.typing import NDArray

from merging.methods.compiled import compiled, compiled_sum

TILE = 1024
BINS = 1 << 15
FLOAT32, BFLOAT16, FLOAT16 = 0, 1, 2
# Rows of the sums before the dot products.
NONZERO, FINE, L1, DOTS = 0, 1, 2, 3

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Sums = NDArray[np.float64]
Integers = NDArray[np.int64]


@compiled
def sweep(
    stored: Bytes,
    step: int,
    kinds: Integers,
    start: int,
    count: int,
    index: Integers,
    at: int,
    last: int,
    base: Floats,
    deltas: Floats,
    counts: Integers,
    sums: Sums,
) -> int:
    """Go over a run of one tensor's elements in all models.

    Args:
        stored: The run in each model as stored, one after another, base first.
        step: Bytes from one model to the next, a multiple of 4.
        kinds: How each model stores it: FLOAT32, BFLOAT16 or FLOAT16, shape (models,).
        start: Flat index of the first element.
        count: Elements of the run.
        index: Flat indices of the sampled elements of all tensors, those of one ascending, shape
            (columns,).
        at: First column at or after the run.
        last: Column after the tensor's last.
        base: Where the base's samples go, shape (columns,).
        deltas: Where those of the changes go, shape (experts * columns,).
        counts: Sizes by bin are added here, shape (experts * BINS,).
        sums: By row ``NONZERO``, changes that are not zero; ``FINE``, those that bfloat16 does not
            hold; ``L1``; and ``DOTS``, products with every expert, of which those above the
            diagonal count. They are added here, shape ((3 + experts) * experts,).

    Returns:
        First column after the run; -1 where a change is infinite or not a number.
    """
    experts, columns = len(kinds) - 1, len(base)
    origin, changes = np.empty(TILE, np.float32), np.empty(experts * TILE, np.float32)
    bins = np.empty(TILE, np.uint16)
    for begin in range(0, count, TILE):
        size = min(TILE, count - begin)
        low = origin[:size]
        _widen(stored, begin, kinds[0], low)
        for e in range(experts):
            change = changes[e * TILE : e * TILE + size]
            _widen(stored[(e + 1) * step :], begin, kinds[e + 1], change)
            total = _subtract(change, low)
            if not np.isfinite(total):
                return -1
            nonzero, fine = _find_bins(change, bins)
            _count(bins[:size], counts[e * BINS : (e + 1) * BINS])
            sums[NONZERO * experts + e] += nonzero
            sums[FINE * experts + e] += fine
            sums[L1 * experts + e] += total
        _multiply(changes, size, experts, sums[DOTS * experts :])
        stop = start + begin + size
        while at < last and index[at] < stop:
            place = index[at] - start - begin
            base[at] = low[place]
            for e in range(experts):
                deltas[e * columns + at] = changes[e * TILE + place]
            at += 1
    return at


@compiled
def _widen(stored: Bytes, begin: int, kind: int, out: Floats) -> None:
    """Turn stored numbers into float32."""
    count = len(out)
    bits = out.view(np.uint32)
    if kind == FLOAT32:
        whole = stored[4 * begin : 4 * (begin + count)].view(np.uint32)
        for k in range(count):
            bits[k] = whole[k]
        return
    half = stored[2 * begin : 2 * (begin + count)].view(np.uint16)
    if kind == BFLOAT16:
        for k in range(count):
            bits[k] = np.uint32(half[k]) << np.uint32(16)
        return
    # Exponents move by 112; those of infinity and NaN stay the largest.
    for k in range(count):
        bits[k] = (np.uint32(half[k]) & np.uint32(0x7FFF)) << np.uint32(13)
    for k in range(count):
        out[k] *= np.float32(2.0**112)
    for k in range(count):
        own = np.uint32(half[k])
        top = own & np.uint32(0x7C00)
        endless = np.uint32(0x7F800000) if top == np.uint32(0x7C00) else np.uint32(0)
        bits[k] |= ((own & np.uint32(0x8000)) << np.uint32(16)) | endless


@compiled_sum
def _subtract(change: Floats, base: Floats) -> float:
    """Take the base from an expert's weights; return the sum of sizes."""
    total = 0.0
    for k in range(len(change)):
        value = change[k] - base[k]
        change[k] = value
        total += np.float64(abs(value))
    return total


@compiled
def _find_bins(change: Floats, bins: NDArray[np.uint16]) -> tuple[int, int]:
    """Round sizes to bfloat16, whose bits are the bins; count those not zero, and not bfloat16."""
    bits = change.view(np.uint32)
    nonzero, fine = np.int32(0), np.int32(0)
    for k in range(len(change)):
        size = np.uint32(bits[k] & np.uint32(0x7FFFFFFF))
        even = np.uint32((size >> np.uint32(16)) & np.uint32(1))
        bins[k] = np.uint16(np.uint32(size + np.uint32(0x7FFF) + even) >> np.uint32(16))
        nonzero = np.int32(nonzero + np.int32(size != np.uint32(0)))
        fine = np.int32(fine + np.int32(np.uint32(size & np.uint32(0xFFFF)) != np.uint32(0)))
    return int(nonzero), int(fine)


@compiled
def _count(bins: NDArray[np.uint16], counts: Integers) -> None:
    for k in range(len(bins)):
        counts[bins[k]] += 1


@compiled_sum
def _multiply(changes: Floats, size: int, experts: int, dots: Sums) -> None:
    """Add products of every two experts, two by two: each number is read half as often."""
    for i in range(0, experts, 2):
        for j in range(i, experts, 2):
            one, other = min(i + 1, experts - 1), min(j + 1, experts - 1)
            a, b = changes[i * TILE : i * TILE + size], changes[j * TILE : j * TILE + size]
            c = changes[one * TILE : one * TILE + size]
            d = changes[other * TILE : other * TILE + size]
            ab, ad, cb, cd = 0.0, 0.0, 0.0, 0.0
            for k in range(size):
                left, right = np.float64(a[k]), np.float64(c[k])
                up, down = np.float64(b[k]), np.float64(d[k])
                ab += left * up
                ad += left * down
                cb += right * up
                cd += right * down
            dots[i * experts + j] += ab
            if other > j:
                dots[i * experts + other] += ad
            if one > i:
                dots[one * experts + j] += cb
            if one > i and other > j:
                dots[one * experts + other] += cd
