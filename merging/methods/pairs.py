"""Merges of one expert into the base, element by element: arcee fusion, nearswap, grafting."""

import torch
from torch import Tensor

from merging.methods.context import Context
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source

LIMIT = 1_000_000
T = Param(
    name="t",
    label="Nearness t",
    default=0.001,
    origin="ours; mergekit has no default",
    help="Weights that differ by less than t take the expert's value, others a part t/difference.",
    minimum=0.0,
    maximum=10.0,
    slider=(0.0, 0.02),
    step=0.0005,
    symbol="t",
)
FRACTION = Param(
    name="fraction",
    label="Grafted share",
    default=0.01,
    origin="Panigrahi et al. 2023: 0.01 % of a large model; a small one needs more",
    help="Share of all weights that is taken from the expert: those that moved most.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 0.5),
    step=0.005,
    symbol="s",
    aliases=("sparsity",),
)


def arcee_fusion(models: Tensor, ctx: Context) -> Tensor:
    """Take the expert's weights where they matter: changed much, in rows that changed shape.

    Args:
        models: Shape (1, *shape).
        ctx: ``base`` of shape (*shape).

    Returns:
        The expert's weight where its importance |θ - θ₀| · KL(softmax(row) || softmax(base row))
        is at least median + 1.5 (Q3 - Q1), else the base's; shape (*shape).

    Source:
        mergekit, arcee_fusion. Above a million elements it measures the quartiles on an unseeded
        sample; here on every k-th element, always the same.
    """
    assert ctx.base is not None
    expert, base = models[0], ctx.base
    p, q = (_row_shares(t) + 1e-8 for t in (expert, base))
    divergence = (p * (p / q).log()).sum(-1, keepdim=True)
    importance = ((expert - base).abs() * divergence).reshape(expert.shape)
    flat = importance.flatten()
    ordered = flat[:: 1 + flat.numel() // LIMIT].sort().values
    low, mid, high = (ordered[int(share * (len(ordered) - 1))] for share in (0.25, 0.5, 0.75))
    threshold = mid + 1.5 * (high - low)
    return torch.where(importance >= threshold, expert, base)


def _row_shares(tensor: Tensor) -> Tensor:
    return (tensor if tensor.dim() else tensor.reshape(1)).softmax(-1)


def nearswap(models: Tensor, ctx: Context) -> Tensor:
    """Move the base to the expert where they nearly agree already.

    Args:
        models: Shape (1, *shape).
        ctx: ``base`` and setting ``t``, at least 0.

    Returns:
        θ₀ + w (θ - θ₀) with w = clip(t / max(|θ - θ₀|, 1e-6), 0, 1); shape (*shape).

    Source:
        mergekit, nearswap.
    """
    assert ctx.base is not None
    change = models[0] - ctx.base
    weight = (ctx.settings.number("t") / change.abs().clamp_min(1e-6)).clamp(0, 1)
    return torch.where(weight == 1, models[0], ctx.base + weight * change)


def most_moved(deltas: Tensor, ctx: Context) -> Tensor:
    """Keep only the weights that moved most.

    Args:
        deltas: Shape (1, *shape).
        ctx: Setting ``fraction``; magnitudes over the whole model.

    Returns:
        γ τ with γ = 1 strictly above the s-th largest |τ| of the model; same shape.

    Source:
        Panigrahi et al. 2023, arXiv:2302.06600, mask by highest movement: the threshold itself
        is left out, so one weight fewer than s is taken.
    """
    count = ctx.magnitudes.count
    taken = int(ctx.settings.number("fraction") * count)
    if taken <= 0:
        return torch.zeros_like(deltas)
    return deltas * (deltas.abs() > ctx.magnitudes.kth_smallest(0, count - taken + 1))


def graft(deltas: Tensor, ctx: Context) -> Tensor:
    """Take what is left of the expert's changes; shape (1, *shape) -> (*shape)."""
    return deltas[0]


_ONE = Needs(experts=1, most=1)
ARCEE_FUSION = MethodSpec(
    id="arcee_fusion",
    label="Arcee fusion",
    family="One expert",
    summary="Take the expert's weights only where they changed most and changed their row's shape.",
    idea="Only changes far above the usual size of their tensor pass; small drift stays out.",
    formula="θ = θ₁ where |τ|·KL(row) ≥ median + 1.5·IQR, else θ₀",
    source=Source("mergekit, arcee_fusion"),
    merge=arcee_fusion,
    needs=_ONE,
    space="weights",
    scope=lambda settings: "tensor",
    holds=lambda settings: "it compares rows, and takes quartiles over a tensor",
    dialects={"paper": {}, "mergekit": {}},
    weighted=False,
    idempotent=False,
    cost="one pass over the weights, with a sort of every tensor or of a sample of it",
    differs="Above a million elements mergekit measures quartiles on a random sample without a "
    "seed; here on every k-th element, so that a result can be had again.",
)
NEARSWAP = MethodSpec(
    id="nearswap",
    label="Nearswap",
    family="One expert",
    summary="Move towards the expert where both nearly agree already.",
    idea="Weights that are far apart hardly move, so the base keeps what sets it apart.",
    formula="θ = θ₀ + clip(t/|τ|, 0, 1)·τ",
    source=Source("mergekit, nearswap"),
    merge=nearswap,
    params=(T,),
    needs=_ONE,
    space="weights",
    dialects={"paper": {}, "mergekit": {}},
    weighted=False,
)
GRAFT = MethodSpec(
    id="graft",
    label="Skill graft",
    family="One expert",
    summary="Take from one expert only the few weights that moved most.",
    idea="Few weights can carry most of a skill, and the base stays as it was everywhere else.",
    formula="θ = θ₀ + γ⊙τ,  γ = [|τ| above the s-th largest]",
    source=Source("Panigrahi et al. 2023, Task-specific skill localization", "2302.06600"),
    trim=most_moved,
    merge=graft,
    params=(FRACTION,),
    needs=_ONE,
    scope=lambda settings: "model",
    holds=lambda settings: "",
    weighted=False,
    homogeneous=True,
    cost="one order statistic over the whole model",
    differs="The paper learns the mask; this is its starting point, the mask by movement. As in "
    "the authors' code the threshold itself is left out, so one weight fewer than asked for is "
    "taken.",
)
