"""The integer hash behind random masks, as compiled loops; ``merging.methods.masks`` says what for.

The mixer is "lowbias32", found by search (C. Wellons, hash prospector, 2018, public domain).
"""

import numpy as np
from numpy.typing import NDArray

from merging.methods.compiled import compiled

FIRST, SECOND = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_HALF, _MOST = np.uint32(16), np.uint32(15)


@compiled
def _mixed(bits: np.uint32) -> np.uint32:
    bits = np.uint32((bits ^ np.uint32(bits >> _HALF)) * FIRST)
    bits = np.uint32((bits ^ np.uint32(bits >> _MOST)) * SECOND)
    return np.uint32(bits ^ np.uint32(bits >> _HALF))


@compiled
def hash_run(first: np.uint32, low: np.uint32, high: np.uint32, bits: NDArray[np.int32]) -> None:
    """Hash a run of indices whose upper words are equal.

    Args:
        first: Lower word of the first index; the last one must not pass 2**32.
        low: Lower half of the key.
        high: Upper half of the key, combined with the upper word of the indices by xor.
        bits: Gets the hashes, shape (count,).
    """
    for i in range(len(bits)):
        bits[i] = np.int32(_mixed(np.uint32(_mixed(np.uint32(first + np.uint32(i)) ^ low) ^ high)))


@compiled
def keep_run(
    first: np.uint32, low: np.uint32, high: np.uint32, least: np.int32, keep: NDArray[np.bool_]
) -> None:
    """Mark the indices whose hash, as ``hash_run`` makes it, is at least ``least``."""
    for i in range(len(keep)):
        bits = _mixed(np.uint32(_mixed(np.uint32(first + np.uint32(i)) ^ low) ^ high))
        keep[i] = np.int32(bits) >= least
