"""The steps that task-vector methods share: trim, rescale, elect a sign, merge what agrees.

Pure functions over stacked deltas of shape (experts, *shape), float32 or float64. No files, no
names of models, no randomness.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from merging.methods import loops
from merging.methods.compiled import compiles, flat, number_type, numbers
from merging.methods.context import Magnitudes
from merging.methods.selection import before
from merging.methods.totals import l1

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
    dtype, limits = deltas.dtype, [-1.0 if dropped == 0 else math.inf for dropped in ranks]
    surplus = []
    for index, dropped in enumerate(ranks):
        if dropped in (0, count):
            continue
        if rule == "strict":
            limits[index] = magnitudes.kth_smallest(index, dropped)
            continue
        threshold = magnitudes.kth_smallest(index, dropped + 1)
        counted = rule in ("exact", "at_least_one")
        spare = magnitudes.spare(index, threshold, count - dropped) if counted else None
        limits[index] = threshold if spare == 0 else before(threshold, dtype)
        if spare:
            surplus.append((index, threshold, spare))
    trimmed = _above(deltas, limits)
    for index, threshold, spare in surplus:
        _trim_ties(deltas[index], threshold, spare, trimmed[index].view(-1))
    return trimmed


def _trim_ties(row: Tensor, size: float, spare: int, kept: Tensor) -> None:
    """Zero, in what was kept, all but the first few entries of one size."""
    if compiles(row):
        loops.trim_ties(row.reshape(-1).numpy(), number_type(row)(size), spare, kept.numpy())
        return
    ties = (row.abs() == size).flatten().nonzero().flatten()
    kept[ties[spare:]] = 0


def _above(deltas: Tensor, limits: list[float]) -> Tensor:
    """Zero what is not larger than each expert's limit; a limit of -1 keeps everything."""
    kept = torch.empty_like(deltas, memory_format=torch.contiguous_format)
    if compiles(deltas):
        loops.trim(*flat(deltas), numbers(limits, deltas), kept.reshape(len(kept), -1).numpy())
    else:
        for row, limit, out in zip(deltas, limits, kept, strict=True):
            torch.hardshrink(row, limit, out=out)
    return kept


def drop(deltas: Tensor, keep: Sequence[Tensor]) -> Tensor:
    """Zero what masks do not keep.

    Args:
        deltas: Shape (experts, *shape).
        keep: Bool, one for each expert, of as many elements as its delta.

    Returns:
        The same shape.
    """
    masks = torch.stack(list(keep)).to(deltas.device)
    if not compiles(deltas):
        return deltas.where(masks.reshape(deltas.shape), deltas.new_zeros(()))
    kept = torch.empty_like(deltas, memory_format=torch.contiguous_format)
    loops.mask(*flat(deltas), masks.numpy(), kept.reshape(len(kept), -1).numpy())
    return kept


def norms_around_drop(deltas: Tensor, keep: Sequence[Tensor]) -> Tensor:
    """Return L1 norms before and after dropping; arguments of ``drop``; (2, experts), float64."""
    if not compiles(deltas):
        return torch.stack([l1(deltas), l1(drop(deltas, keep))])
    norms = torch.empty(2, len(deltas), dtype=torch.float64)
    loops.sum_sizes_kept(*flat(deltas), torch.stack(list(keep)).numpy(), norms.numpy())
    return norms


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
    count = by == "count"
    if compiles(deltas):
        signs = torch.empty(deltas.shape[1:], dtype=deltas.dtype)
        kind = number_type(deltas)
        ones = numbers([1.0] * len(deltas), deltas)
        loops.elect(*flat(deltas), ones, count, kind(0), signs.view(-1).numpy())
        return signs
    votes = deltas[0].sign() if count else deltas[0].clone()
    for row in deltas[1:]:
        votes += row.sign() if count else row
    return votes.sign_()


def weighted_sum(rows: Tensor, weights: Sequence[float]) -> Tensor:
    """Return sum(w row), added in the order of the rows; shape (experts, *shape) -> (*shape)."""
    if compiles(rows):
        total = torch.empty(rows.shape[1:], dtype=rows.dtype)
        loops.add(*flat(rows), numbers(weights, rows), total.view(-1).numpy())
        return total
    total = rows[0] * weights[0]
    for row, weight in zip(rows[1:], weights[1:], strict=True):
        total += row if weight == 1.0 else row * weight
    return total


def settle(signs: Tensor, tie: float) -> Tensor:
    """Give coordinates whose votes cancelled the sign ``tie`` (-1, 0 or +1)."""
    return signs if tie == 0.0 else (signs * 2).add_(tie).sign_()


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
    total, share = torch.zeros_like(signs), torch.zeros_like(signs)
    for row, weight in zip(voters, weights, strict=True):
        agreeing = (row * signs).relu_()
        value = agreeing if weighted or weight == 1.0 else agreeing * weight
        if combine == "max":
            total = torch.where(value.abs() > total.abs(), value, total)
            continue
        total += value
        share.add_(agreeing.sign(), alpha=weight if combine == "weighted_mean" else 1.0)
    total *= signs
    if combine == "mean":
        total /= share.clamp_min_(1.0)
    elif combine == "weighted_mean":
        total /= share + (share == 0)
    return total


def consensus(
    sparse: Tensor,
    weights: Sequence[float],
    voting: bool,
    election: str,
    tie: float,
    combine: str,
    scale: float,
) -> Tensor:
    """Elect a sign per coordinate, combine the experts that carry it, and scale: all in one call.

    Args:
        sparse: Deltas with dropped entries at zero, shape (experts, *shape).
        weights: One per expert.
        voting: Whether weights act in the vote already.
        election: As ``by`` of ``elect``.
        tie: Sign that tied votes take.
        combine: As in ``disjoint_merge``.
        scale: λ.

    Returns:
        Merged delta times λ, shape (*shape).
    """
    if not compiles(sparse):
        voters = sparse * per_expert(weights, sparse) if voting else sparse
        signs = settle(elect(voters, election), tie)
        return disjoint_merge(voters, signs, combine, weights, voting).mul_(scale)
    merged, kind = torch.empty(sparse.shape[1:], dtype=sparse.dtype), number_type(sparse)
    factors, ones = numbers(weights, sparse), numbers([1.0] * len(sparse), sparse)
    before, after = (factors, ones) if voting else (ones, factors)
    loops.consensus(
        *flat(sparse),
        before,
        after,
        election == "count",
        kind(tie),
        loops.COMBINE.index(combine),
        kind(scale),
        merged.view(-1).numpy(),
    )
    return merged
