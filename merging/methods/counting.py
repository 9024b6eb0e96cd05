"""Counting sizes against a bracket, as compiled loops over the bits of floating numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from merging.methods.compiled import compiled

Bits = NDArray[np.signedinteger[Any]]

RUN = 64


@compiled
def count_bracket(
    bits: Bits, most: Any, low: Any, high: Any, part: int, within: NDArray[np.int64]
) -> int:
    """Count the sizes smaller than a bracket, and those within it by part.

    Args:
        bits: Of numbers of any sign, shape (elements,).
        most: All bits but the sign's.
        low, high: Ends of the bracket, both in it.
        part: Elements of a part, at most 2**31.
        within: Gets how many of each part lie within.

    Returns:
        How many are smaller.
    """
    kind = bits.dtype.type
    below = 0
    for index in range(len(within)):
        run = bits[index * part : (index + 1) * part]
        less, upto = np.int32(0), np.int32(0)
        for i in range(len(run)):
            size = kind(run[i] & most)
            less = np.int32(less + np.int32(size < low))
            upto = np.int32(upto + np.int32(size <= high))
        below += int(less)
        within[index] = upto - less
    return below


@compiled
def gather(bits: Bits, most: Any, low: Any, high: Any, inside: Bits) -> None:
    """Collect the sizes within a bracket, in order; arguments as of ``count_bracket``."""
    kind = bits.dtype.type
    place = 0
    for begin in range(0, len(bits), RUN):
        run = bits[begin : begin + RUN]
        met = np.int32(0)
        for i in range(len(run)):
            size = kind(run[i] & most)
            met = np.int32(met + np.int32((size >= low) & (size <= high)))
        if met == 0:
            continue
        for i in range(len(run)):
            size = kind(run[i] & most)
            if (size >= low) & (size <= high):
                inside[place] = size
                place += 1
