"""Weights of type bfloat16 to float32 and back, as compiled loops over their bits."""

import numpy as np
from numpy.typing import NDArray

from merging.methods.compiled import compiled

Half = NDArray[np.uint16]
Floats = NDArray[np.float32]

_UPPER, _EXPONENT = np.uint32(16), np.uint16(0x7F80)


@compiled
def widen(stored: Half, values: Floats) -> bool:
    """Read bfloat16 numbers; return whether all are finite."""
    strange = np.uint16(0)
    for i in range(len(stored)):
        strange |= np.uint16((stored[i] & _EXPONENT) == _EXPONENT)
        values[i] = np.uint32(np.uint32(stored[i]) << _UPPER).view(np.float32)
    return bool(strange == 0)


@compiled
def widen_less(stored: Half, base: Floats, deltas: Floats) -> bool:
    """Read bfloat16 numbers and subtract ``base``; return whether all are finite."""
    strange = np.uint16(0)
    for i in range(len(stored)):
        strange |= np.uint16((stored[i] & _EXPONENT) == _EXPONENT)
        deltas[i] = np.uint32(np.uint32(stored[i]) << _UPPER).view(np.float32) - base[i]
    return bool(strange == 0)


@compiled
def _nearest(value: np.float32) -> np.uint16:
    """Round a number to the bits of a bfloat16, ties to even."""
    bits = np.float32(value).view(np.uint32)
    odd = np.uint32(np.uint32(bits >> _UPPER) & np.uint32(1))
    return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + odd) >> _UPPER)


@compiled
def narrow(values: Floats, rounded: Half) -> bool:
    """Round to bfloat16, to the nearest and ties to even; return whether all is finite."""
    strange = np.uint16(0)
    for i in range(len(rounded)):
        half = _nearest(values[i])
        strange |= np.uint16((half & _EXPONENT) == _EXPONENT)
        rounded[i] = half
    return bool(strange == 0)


@compiled
def narrow_sum(first: Floats, second: Floats, rounded: Half) -> bool:
    """Add, and round as ``narrow`` does; return whether all is finite."""
    strange = np.uint16(0)
    for i in range(len(rounded)):
        half = _nearest(np.float32(first[i] + second[i]))
        strange |= np.uint16((half & _EXPONENT) == _EXPONENT)
        rounded[i] = half
    return bool(strange == 0)
