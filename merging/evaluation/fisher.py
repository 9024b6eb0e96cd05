"""Fisher diagonals of a softmax-linear model, exactly and as one implementation estimates them."""

import torch
from torch import Tensor


def exact_fisher(weight: Tensor, bias: Tensor, inputs: Tensor) -> dict[str, Tensor]:
    """Return the diagonal of the Fisher information, labels drawn from the model itself.

    Args:
        weight: Shape (classes, inputs).
        bias: Shape (classes,).
        inputs: Shape (items, inputs).

    Returns:
        Mean over items of Σ_y p(y|x) (d log p(y|x) / dθ)², as ``weight`` and ``bias``.

    Source:
        Matena and Raffel 2022, arXiv:2111.09832, equation 2.
    """
    shares = (inputs @ weight.T + bias).softmax(1)
    # d log p(y)/d logit_k is [k = y] - p_k: its square has mean p_k (1 - p_k) over y.
    spread = shares * (1 - shares)
    return {
        "weight": spread.T @ inputs.square() / len(inputs),
        "bias": spread.mean(0),
    }


def batch_fisher(weight: Tensor, bias: Tensor, inputs: Tensor, size: int) -> dict[str, Tensor]:
    """Return squared gradients of whole batches, as MergeLM and fusion_bench estimate them.

    Cross terms between items and between labels stay in, so this is not the Fisher diagonal.

    Args:
        weight: Shape (classes, inputs).
        bias: Shape (classes,).
        inputs: Shape (items, inputs).
        size: Items per batch.

    Returns:
        Σ over batches of (d/dθ Σ_items Σ_y sqrt(p_y) log p_y)² / (batches · size), p held fixed in
        the root: a last batch that is not full counts as if it were.

    Source:
        MergeLM, merging_methods.py.
    """
    totals = {"weight": torch.zeros_like(weight), "bias": torch.zeros_like(bias)}
    batches = inputs.split(size)  # type: ignore[no-untyped-call]
    for batch in batches:
        shares = (batch @ weight.T + bias).softmax(1)
        roots = shares.sqrt()
        # d/d logit_k of Σ_y r_y log p_y is r_k - p_k Σ_y r_y.
        slopes = roots - shares * roots.sum(1, keepdim=True)
        totals["weight"] += (slopes.T @ batch).square()
        totals["bias"] += slopes.sum(0).square()
    return {name: total / (len(batches) * size) for name, total in totals.items()}
