"""Changes of a base's tensors as small files hold them, worked out a few rows at a time.

A tensor is looked at as a matrix of its first axis by all others; a vector as a matrix with one
column. All is computed in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from merging.checkpoints.base import TensorInfo

Rows = Callable[[int, int], Tensor]
BLOCK = 1 << 18  # elements worked out at a time, at least a row


class Decoded(Protocol):
    """A change that is ready to be applied."""

    def rows(self, first: int, last: int, base: Tensor) -> Tensor:
        """Return changed weights.

        Args:
            first, last: First row and the one after the last.
            base: The base's weights in these rows, float64, shape (last - first, columns).

        Returns:
            Float64, the same shape.
        """
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one tensor of the base.

    Attributes:
        info: Shape and type of the changed tensor.
        additive: The change does not depend on the base's weights.
        decode: Reads the change; it is given a function that returns rows of the base in float64.
    """

    info: TensorInfo
    additive: bool
    decode: Callable[[Rows], Decoded]


@dataclass(frozen=True, slots=True)
class LowRank:
    """W + left·right, for DoRA times a factor for each output.

    Attributes:
        left: Shape (rows, rank).
        right: Shape (rank, columns).
        factor: Shape (rows, 1) or (1, columns), or None.
    """

    left: Tensor
    right: Tensor
    factor: Tensor | None = None

    def rows(self, first: int, last: int, base: Tensor) -> Tensor:
        """Return changed weights; see ``Decoded``."""
        changed = base + self.left[first:last] @ self.right
        if self.factor is None:
            return changed
        return changed * (self.factor if len(self.factor) == 1 else self.factor[first:last])


@dataclass(frozen=True, slots=True)
class Dense:
    """Every weight written out: added to the base, or in its place.

    Attributes:
        values: Shape (rows, columns), any type.
        adds: Added, or in place of the base's.
    """

    values: Tensor
    adds: bool

    def rows(self, first: int, last: int, base: Tensor) -> Tensor:
        """Return changed weights; see ``Decoded``."""
        values = self.values[first:last].double()
        return base + values if self.adds else values


@dataclass(frozen=True, slots=True)
class Both:
    """One change upon another: an embedding that was resized, saved and also adapted."""

    first: Decoded
    then: Decoded

    def rows(self, first: int, last: int, base: Tensor) -> Tensor:
        """Return changed weights; see ``Decoded``."""
        return self.then.rows(first, last, self.first.rows(first, last, base))


def matrix_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of a tensor looked at as a matrix."""
    if not shape:
        return 1, 1
    return shape[0], torch.Size(shape[1:]).numel()


def block_rows(columns: int) -> int:
    """Return how many rows are worked out at a time; fixed, so that bits do not depend on it."""
    return max(1, BLOCK // max(1, columns))


def with_magnitude(change: LowRank, magnitude: Tensor, base: Rows, along: int) -> LowRank:
    """Return the change of DoRA: m · (W + BA) / ‖W + BA‖, a norm for each output.

    Args:
        change: BA with its scale.
        magnitude: m, one for each output.
        base: Returns rows of W.
        along: The axis of the outputs: 0, or 1 where weights are stored as (in, out).

    Source:
        Liu et al. 2024, arXiv:2402.09353, equation 5.
    """
    rows, columns = len(change.left), change.right.shape[1]
    squares = torch.zeros(rows if along == 0 else columns, dtype=torch.float64)
    height = block_rows(columns)
    for first in range(0, rows, height):
        last = min(rows, first + height)
        part = change.rows(first, last, base(first, last)).square()
        if along == 0:
            squares[first:last] = part.sum(1)
        else:
            squares += part.sum(0)
    factor = magnitude.double().flatten() / squares.sqrt()
    return LowRank(change.left, change.right, factor.reshape((-1, 1) if along == 0 else (1, -1)))


def widened(info: TensorInfo) -> TensorInfo:
    """Return the type of a changed tensor: float32, so that a half-precision base loses nothing."""
    wide = torch.float64 if info.dtype == torch.float64 else torch.float32
    return TensorInfo(info.shape, wide)
