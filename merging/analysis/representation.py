"""How similar two layers' outputs are: linear centred kernel alignment."""

import torch
from torch import Tensor

LEAST = 1e-30


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """Return the linear CKA of two sets of activations on the same items.

    Args:
        x: Shape (items, p).
        y: Shape (items, q).

    Returns:
        |Y^T X|² / (|X^T X| |Y^T Y|) of the centred columns, a number in [0, 1].

    Source:
        Kornblith et al. 2019, arXiv:1905.00414, section 3.
    """
    x, y = (a.double() - a.double().mean(0) for a in (x, y))
    bottom = (x.T @ x).norm() * (y.T @ y).norm()
    found: Tensor = (y.T @ x).square().sum() / bottom.clamp_min(LEAST)
    return found


def debiased_cka(x: Tensor, y: Tensor) -> Tensor:
    """Return the debiased CKA, which does not tend to 1 with many features; may be negative.

    Args:
        x: Shape (items, p), at least four items.
        y: Shape (items, q).

    Returns:
        H(K, L) / sqrt(H(K, K) H(L, L)) with the unbiased estimate H; nan where that of one set
        with itself is not positive.

    Source:
        Song et al. 2012, JMLR 13, U-statistic of HSIC; as used by Nguyen et al. 2021.
    """
    k, ell = (a.double() @ a.double().T for a in (x, y))
    k, ell = (g - torch.diag(g.diagonal()) for g in (k, ell))
    found: Tensor = _hsic(k, ell) / (_hsic(k, k) * _hsic(ell, ell)).sqrt()
    return found


def _hsic(k: Tensor, ell: Tensor) -> Tensor:
    n = k.shape[0]
    product = k @ ell
    found: Tensor = (
        (k * ell).sum() + k.sum() * ell.sum() / ((n - 1) * (n - 2)) - 2 * product.sum() / (n - 2)
    )
    return found
