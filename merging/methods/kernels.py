"""The steps that task-vector methods share: trim, rescale, elect a sign, merge what agrees.

Pure functions over stacked deltas of shape (experts, *shape), float32 or float64. No files, no
names of models, no randomness.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import hardshrink

from merging.methods.context import Magnitudes

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
    by position; there ``magnitudes`` must describe the stack at hand.

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
        elif rule in ("authors", "dropped"):
            threshold = magnitudes.kth_smallest(index, dropped + 1)
            trimmed[index] = _at_least(delta, threshold)
        elif rule == "strict":
            trimmed[index] = hardshrink(delta, magnitudes.kth_smallest(index, dropped))
        else:
            threshold = magnitudes.kth_smallest(index, dropped + 1)
            trimmed[index] = delta * _largest(delta.abs(), threshold, count - dropped)
    return trimmed


def _at_least(delta: Tensor, threshold: float) -> Tensor:
    """Zero what is smaller than a threshold: ``hardshrink`` zeroes up to the number before it."""
    limit = torch.tensor(threshold, dtype=delta.dtype)
    return hardshrink(delta, float(limit.nextafter(torch.tensor(-1.0, dtype=delta.dtype))))


def _largest(size: Tensor, threshold: float, kept: int) -> Tensor:
    above = size > threshold
    at = size == threshold
    spare = kept - int(above.sum())
    first = (at.flatten().cumsum(0) <= spare).reshape(size.shape)
    return above | (at & first)


def rescale(sparse: Tensor, original: Tensor, how: str, densities: Sequence[float]) -> Tensor:
    """Make up for dropped entries.

    Args:
        sparse: Deltas with dropped entries at zero, shape (experts, *shape).
        original: The same deltas before dropping.
        how: ``inverse`` divides by the density (paper); ``l1`` restores the L1 norm of the tensor
            (mergekit; untouched where either norm is below 1e-7); ``none`` leaves them.
        densities: Share kept per expert. 0 leaves zeros.

    Returns:
        Rescaled deltas, same shape.

    Source:
        Yu et al. 2023, arXiv:2311.03099, section 3; l1 as in mergekit since 0.1.0.
    """
    if how == "none":
        return sparse
    if how == "inverse":
        return sparse * per_expert([1 / d if d > 0 else 0.0 for d in densities], sparse)
    flat, full = (d.reshape(len(d), d[0].numel()).abs().sum(1) for d in (sparse, original))
    usable = (flat >= L1_FLOOR) & (full >= L1_FLOOR)
    factor = torch.where(usable, full / flat.clamp_min(L1_FLOOR), torch.ones_like(full))
    return sparse * factor.reshape(-1, *[1] * (sparse.dim() - 1))


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
    votes = deltas if by == "sum" else deltas.sign()
    return votes.sum(0).sign_()


def settle(signs: Tensor, tie: float) -> Tensor:
    """Give coordinates whose votes cancelled the sign ``tie`` (-1, 0 or +1)."""
    return signs + tie * (signs == 0)


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
    agreeing = (voters * signs).relu_()
    factors = per_expert(weights, voters)
    if combine == "mean":
        count = (agreeing > 0).view(torch.int8).sum(0, dtype=torch.int8).clamp_min_(1)
    elif combine == "weighted_mean":
        share = ((agreeing > 0) * factors).sum(0)
        count = share + (share == 0)
    values = agreeing if weighted else agreeing.mul_(factors)
    if combine == "max":
        return signs * values.gather(0, values.abs().argmax(0, keepdim=True)).squeeze(0)
    total = signs * values.sum(0)
    return total if combine == "sum" else total / count
