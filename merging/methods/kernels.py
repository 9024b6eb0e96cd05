"""The steps that task-vector methods share: trim, rescale, elect a sign, merge what agrees.

Pure functions over stacked deltas of shape (experts, *shape), float32 or float64. No files, no
names of models, no randomness.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from merging.methods.context import Magnitudes
from merging.methods.selection import before

TRIM_RULES = ("authors", "dropped", "exact", "at_least_one", "strict")
L1_FLOOR = 1e-7


def per_expert(values: Sequence[float], like: Tensor) -> Tensor:
    """Shape one number per expert so that it multiplies a stack of deltas.

    Args:
        values: One number per expert.
        like: The stack, shape (experts, *shape).

    Returns:
        Tensor of shape (experts, 1, ..., 1), dtype and device of ``like``.
    """
    column = torch.tensor(list(values), dtype=like.dtype, device=like.device)
    return column.reshape(-1, *[1] * (like.dim() - 1))


def trim_rank(count: int, density: float, rule: str) -> int:
    """Return how many of the smallest |delta| a trim drops, by the rule of an implementation.

    ``authors`` keeps everything at or above the (n - int(n d))-th smallest, so one more than
    int(n d); ``dropped`` counts what is dropped, int(n (1 - d)), and also keeps the one at the
    threshold; ``exact`` keeps int(n d); ``at_least_one`` keeps max(1, int(n d)); ``strict`` drops
    the int(n (1 - d)) smallest and what is as small as the last of them.

    Args:
        count: Number of elements n.
        density: Share kept d, in [0, 1]. 0 keeps nothing and 1 everything under every rule.
        rule: One of ``TRIM_RULES``.

    Returns:
        Number of elements dropped, in [0, count].

    Source:
        Yadav et al. 2023, arXiv:2306.01708, as in the code of its authors, MergeLM, peft, mergekit.
    """
    if density <= 0:
        return count
    if density >= 1 or count == 0:
        return 0
    if rule == "authors":
        return max(0, count - int(count * density) - 1)
    if rule == "dropped":
        # The references are given a drop rate; 12 digits undo the rounding of 1 - (1 - rate).
        return max(0, int(count * round(1 - density, 12)) - 1)
    if rule == "strict":
        return int(count * round(1 - density, 12))
    kept = int(count * density)
    return count - (max(1, kept) if rule == "at_least_one" else kept)


def trim(deltas: Tensor, densities: Sequence[float], rule: str, magnitudes: Magnitudes) -> Tensor:
    """Keep the entries of largest magnitude of each expert.

    Under ``authors`` and ``dropped`` every tie at the threshold is kept, under ``strict`` none.
    Under ``exact`` and ``at_least_one`` exactly as many entries are kept as asked, ties resolved
    by position.

    Args:
        deltas: Shape (experts, *shape).
        densities: Share kept per expert, in [0, 1].
        rule: One of ``TRIM_RULES``.
        magnitudes: Order statistics over what is trimmed together: this tensor, or the model.

    Returns:
        The stack with everything else at zero; ``deltas`` itself where nothing is trimmed.

    Source:
        Yadav et al. 2023, arXiv:2306.01708, step 1.
    """
    count = magnitudes.count
    ranks = [trim_rank(count, density, rule) for density in densities]
    if not any(ranks):
        return deltas
    trimmed = torch.empty_like(deltas)
    for index, dropped in enumerate(ranks):
        delta = deltas[index]
        if dropped == 0:
            trimmed[index] = delta
        elif dropped == count:
            trimmed[index] = 0
        elif rule == "strict":
            torch.hardshrink(delta, magnitudes.kth_smallest(index, dropped), out=trimmed[index])
        else:
            threshold = magnitudes.kth_smallest(index, dropped + 1)
            counted = rule in ("exact", "at_least_one")
            spare = magnitudes.spare(index, threshold, count - dropped) if counted else None
            _at_least(delta, threshold, spare, trimmed[index])
    return trimmed


def _at_least(delta: Tensor, threshold: float, spare: int | None, out: Tensor) -> None:
    """Zero what is smaller than a threshold, and its ties but the first ``spare`` (None: none).

    ``hardshrink`` zeroes what is not larger than a number.
    """
    if spare == 0:
        torch.hardshrink(delta, threshold, out=out)
        return
    torch.hardshrink(delta, before(threshold, delta.dtype), out=out)
    if spare is not None:
        ties = (delta.abs() == threshold).flatten().nonzero().flatten()
        out.view(-1)[ties[spare:]] = 0


def drop(delta: Tensor, keep: Tensor, out: Tensor) -> None:
    """Zero what a mask does not keep.

    Args:
        delta: Any shape.
        keep: Bool, as many elements.
        out: Gets the result, the shape of ``delta``.
    """
    mask = keep.to(delta.device).reshape(delta.shape)
    if delta.device.type == "cpu":
        np.multiply(delta.numpy(), mask.numpy(), out=out.numpy())  # torch converts the mask first
    else:
        torch.mul(delta, mask, out=out)


def rescale(
    sparse: Tensor, how: str, densities: Sequence[float], norms: Tensor | None = None
) -> Tensor:
    """Make up for dropped entries.

    Args:
        sparse: Deltas with dropped entries at zero, shape (experts, *shape).
        how: ``inverse`` divides by the density (paper); ``l1`` restores the L1 norm of the tensor
            (mergekit; untouched where either norm is below 1e-7); ``none`` leaves them.
        densities: Share kept per expert. 0 leaves zeros.
        norms: For ``l1``: L1 norms of each expert's tensor before and after dropping, shape
            (2, experts).

    Returns:
        Rescaled deltas, same shape.

    Source:
        Yu et al. 2023, arXiv:2311.03099, section 3; l1 as in mergekit since 0.1.0.
    """
    if how == "none":
        return sparse
    if how == "inverse":
        return sparse * per_expert([1 / d if d > 0 else 0.0 for d in densities], sparse)
    assert norms is not None
    factors = [
        full / kept if full >= L1_FLOOR and kept >= L1_FLOOR else 1.0
        for full, kept in norms.T.tolist()
    ]
    return sparse * per_expert(factors, sparse)


def elect(deltas: Tensor, by: str) -> Tensor:
    """Elect one sign per coordinate.

    Args:
        deltas: Trimmed deltas, shape (experts, *shape); zeros abstain.
        by: ``sum`` lets every expert vote with its value, ``count`` with its sign.

    Returns:
        Signs in {-1, 0, +1}, shape (*shape); 0 where the votes cancel.

    Source:
        Yadav et al. 2023, arXiv:2306.01708, step 2 (``sum``).
    """
    rows = deltas if by == "sum" else deltas.sign()
    return add_rows(rows).sign_()


def add_rows(rows: Sequence[Tensor] | Tensor) -> Tensor:
    """Add tensors of one shape in their order, whatever their length: one stays as it is."""
    total = rows[0].clone()
    for row in rows[1:]:
        total += row
    return total


def weighted_sum(rows: Tensor, weights: Sequence[float]) -> Tensor:
    """Return sum(w row), added in the order of the rows; shape (experts, *shape) -> (*shape)."""
    total = rows[0] * weights[0]
    for row, weight in zip(rows[1:], weights[1:], strict=True):
        total += row if weight == 1 else row * weight
    return total


def settle(signs: Tensor, tie: float) -> Tensor:
    """Give coordinates whose votes cancelled the sign ``tie`` (-1, 0 or +1)."""
    return signs if tie == 0 else (signs * 2).add_(tie).sign_()


def disjoint_merge(
    voters: Tensor, signs: Tensor, combine: str, weights: Sequence[float], weighted: bool
) -> Tensor:
    """Combine, at each coordinate, the experts that carry the elected sign.

    Entries that were dropped or disagree do not count, so one lone agreeing expert keeps its full
    value under ``mean``. Where nobody agrees the result is zero.

    Args:
        voters: What is compared with the elected sign, shape (experts, *shape).
        signs: Elected signs, shape (*shape).
        combine: ``mean`` divides by the number of agreeing experts, ``weighted_mean`` by the sum
            of their weights (0 counts as 1), ``sum`` does not divide, ``max`` takes the largest.
        weights: One per expert.
        weighted: ``voters`` hold the weights already; else they are multiplied in here.

    Returns:
        Merged delta, shape (*shape).

    Example:
        >>> deltas = torch.tensor([[3.0, -1.0], [1.0, 2.0]])
        >>> disjoint_merge(deltas, torch.tensor([1.0, 1.0]), "mean", [1, 1], weighted=False)
        tensor([2., 2.])

    Source:
        Yadav et al. 2023, arXiv:2306.01708, step 3 (``mean``); ``weighted_mean`` as in mergekit,
        the count with weighted values as in peft.
    """
    if combine == "max":
        agreeing = (voters * signs).relu_()
        values = agreeing if weighted else agreeing.mul_(per_expert(weights, voters))
        return signs * values.gather(0, values.abs().argmax(0, keepdim=True)).squeeze(0)
    total, share = torch.zeros_like(signs), torch.zeros_like(signs)
    for row, weight in zip(voters, weights, strict=True):
        agreeing = (row * signs).relu_()
        total += agreeing if weighted or weight == 1 else agreeing * weight
        if combine == "mean":
            share += agreeing.sign_()
        elif combine == "weighted_mean":
            share.add_(agreeing.sign_(), alpha=weight)
    total *= signs
    if combine == "mean":
        total /= share.clamp_min_(1)
    elif combine == "weighted_mean":
        total /= share + (share == 0)
    return total
