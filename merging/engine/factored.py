"""Matrices as products of two small ones: cut to a rank, with the energy that is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.checkpoints.delta_pack import singular

Pair = tuple[Tensor, Tensor]  # B and A


@dataclass(frozen=True, slots=True)
class Factored:
    """B·A with what it keeps of the matrix it stands for.

    Attributes:
        b: Shape (out, rank).
        a: Shape (rank, in).
        kept: Energy kept, Σσ² of the values kept over Σσ² of all, in [0, 1]; 1 for zeros.
        energy: Σσ² of all: the squared length of the matrix.
    """

    b: Tensor
    a: Tensor
    kept: float
    energy: float


def joined(
    pairs: Sequence[tuple[Tensor, Tensor]], shares: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Return Σ share · B·A as one product, exactly, of rank the sum of the ranks.

    Args:
        pairs: B (out, rank) and A (rank, in), ranks may differ.
        shares: A factor for each.
    """
    b = torch.cat([share * b for share, (b, _) in zip(shares, pairs, strict=True)], 1)
    return b, torch.cat([a for _, a in pairs])


def cut(matrix: Tensor, rank: int) -> Factored:
    """Return the nearest matrix of a rank, as factors of equal size.

    Args:
        matrix: Shape (out, in), float64.
        rank: Of the result, at most; less where the matrix is smaller.

    Source:
        Eckart and Young 1936.
    """
    return _cut(*singular(matrix), rank)


def cut_product(b: Tensor, a: Tensor, rank: int) -> Factored:
    """Return the nearest matrix of a rank to a product, without forming the product.

    Args:
        b: Shape (out, k), float64.
        a: Shape (k, in), float64.
        rank: As in ``cut``.
    """
    left, upper = torch.linalg.qr(b)
    right, lower = torch.linalg.qr(a.T)
    u, s, v = torch.linalg.svd(upper @ lower.T, full_matrices=False)
    return _cut(left @ u, s, v @ right.T, rank)


def _cut(u: Tensor, s: Tensor, v: Tensor, rank: int) -> Factored:
    root, squares = s[:rank].sqrt(), s.square()
    energy, kept = float(squares.sum()), float(squares[:rank].sum())
    part = kept / energy if energy else 1.0
    return Factored(u[:, :rank] * root, root.unsqueeze(1) * v[:rank], part, energy)
