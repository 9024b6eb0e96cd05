"""Trimmed deltas as they are kept for the next merge: what is not zero, and where it was."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.methods.compiled import compiled

Bits = NDArray[np.signedinteger]
Marks = NDArray[np.bool_]

TILE = 1024

_INTEGERS = {torch.float32: np.int32, torch.float64: np.int64}


@dataclass(frozen=True, slots=True)
class Packed:
    """A stack of deltas of which many are zero.

    Attributes:
        marks: A bit for each element, set where it is not zero (or a negative zero).
        values: The bits of those elements, in order.
        shape: Of the stack.
        dtype: Of its numbers.
    """

    marks: NDArray[np.uint8]
    values: Bits
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Bytes taken."""
        return self.marks.nbytes + self.values.nbytes

    def into(self, stack: Tensor) -> None:
        """Fill a stack of the same shape and type; its rows may lie apart."""
        rows, count = self.shape
        marks = np.unpackbits(self.marks, count=rows * count).view(np.bool_)
        done = 0
        for index in range(rows):
            part = marks[index * count : (index + 1) * count]
            row = stack[index].numpy().view(_INTEGERS[self.dtype])
            done += int(_spread(self.values[done:], part, row))


def packed(stack: Tensor) -> Packed:
    """Pack a stack, shape (experts, count), float32 or float64 on the CPU; rows may lie apart."""
    bits = stack.numpy().view(_INTEGERS[stack.dtype])
    marks = bits != 0
    values = np.empty(int(np.count_nonzero(marks)) + 1, bits.dtype)
    done = 0
    for row in bits:
        done += int(_gather(row, values[done:]))
    return Packed(np.packbits(marks), values, tuple(stack.shape), stack.dtype)


@compiled
def _gather(row: Bits, values: Bits) -> int:
    """Collect what is not zero; one place beyond the last is written to."""
    place = 0
    for i in range(len(row)):
        values[place] = row[i]
        place += row[i] != 0
    return place


@compiled
def _spread(values: Bits, marks: Marks, row: Bits) -> int:
    """Undo ``_gather``; return how many were not zero.

    Places are listed first, a tile at a time: a branch at every element would be guessed wrongly.
    """
    places = np.empty(TILE + 1, np.int64)
    row[:] = 0
    done = 0
    for begin in range(0, len(marks), TILE):
        found = 0
        for i in range(begin, min(begin + TILE, len(marks))):
            places[found] = i
            found += marks[i]
        for i in range(found):
            row[places[i]] = values[done + i]
        done += found
    return done
