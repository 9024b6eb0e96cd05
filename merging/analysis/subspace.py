"""How many directions a matrix uses, and how many of them two matrices share."""

import torch
from torch import Tensor


def effective_rank(values: Tensor) -> float:
    """Return how many directions a matrix uses, counted by how evenly it uses them.

    Args:
        values: Its singular values, shape (k,), none negative.

    Returns:
        exp(H) of the entropy H of the values divided by their sum: from 1, one direction, to k,
        all alike; 0 for a matrix of zeros.

    Example:
        >>> effective_rank(torch.tensor([2.0, 2.0, 0.0]))
        2.0

    Source:
        Roy & Vetterli 2007, The effective rank: a measure of effective dimensionality.
    """
    shares = values.double()
    total = float(shares.sum())
    if total <= 0:
        return 0.0
    shares = shares / total
    return float(torch.special.entr(shares).sum().exp())


def subspace_overlap(one: Tensor, other: Tensor) -> float:
    """Return how much of one subspace lies in another.

    Args:
        one: Orthonormal columns that span it, shape (rows, k), k at least 1.
        other: The same of the other, shape (rows, k).

    Returns:
        Mean squared cosine of their principal angles, in [0, 1]: 0 where they are perpendicular,
        1 where they are one, k / rows on average for random ones.

    Source:
        Björck & Golub 1973, Numerical methods for computing angles between linear subspaces.
    """
    # The cosines are the singular values of the product, and their squares add up to its own.
    return float((one.T @ other).square().sum()) / one.shape[1]
