"""Merges that weigh experts by the energy or the angles of their deltas: SCE and Model Stock."""

import torch
from torch import Tensor

from merging.methods.context import Context, Settings
from merging.methods.kernels import weighted_sum
from merging.methods.params import Param
from merging.methods.rows import added, products, size, squares
from merging.methods.spec import MethodSpec, Needs, Source

SELECT = Param(
    name="select",
    label="Selected share",
    default=1.0,
    origin="mergekit: select_topk 1; Wan et al. 2024 use 0.1 to 1",
    help="Share of the weights that counts: those where the experts differ most.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.01, 1.0),
    aliases=("select_topk",),
)
MASKED = Param(
    name="merge_selected_only",
    label="Merge only what was selected",
    default=False,
    origin="FuseAI, code of the authors: the selection only weighs",
    help="Leave out of the merge what the selection left out, as mergekit does.",
    advanced=True,
)
FLOOR = Param(
    name="floor",
    label="Energy floor",
    default=0.0,
    origin="FuseAI, code of the authors: exactly 0",
    help="Below this sum of mean squared changes every expert counts the same.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 1e-4),
    step=1e-7,
    advanced=True,
)


def sce(deltas: Tensor, ctx: Context) -> Tensor:
    """Select where experts differ most, weigh them by their energy there, erase minority signs.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``select``, ``merge_selected_only``, ``floor``.

    Returns:
        Σ w τ / Σ w over the experts with the elected sign (the sign of the sum, + for 0), where
        w_i is the mean square of the selected τ_i; shape (*shape).

    Source:
        Wan et al. 2024, arXiv:2408.07990; mergekit also masks what it merges and falls back to
        equal weights below an energy of 1e-6.
    """
    settings = ctx.settings
    stack = deltas.reshape(len(deltas), -1)
    chosen = stack
    if settings.number("select") < 1:
        chosen = stack * _most_different(stack, settings.number("select"))
    energy = squares(chosen, ctx) / max(1.0, size(stack, ctx))
    total, floor = float(energy.sum()), settings.number("floor")
    alike = total <= floor if floor == 0 else total < floor
    weights = [1 / len(energy)] * len(energy) if alike else (energy / total).tolist()
    merged = chosen if settings.flag("merge_selected_only") else stack
    sign = torch.where(added(merged) >= 0, 1.0, -1.0).to(merged.dtype)
    agree = (merged.sign() == sign).to(merged.dtype)
    bottom = weighted_sum(agree, weights)
    found = weighted_sum(merged * agree, weights)
    found /= torch.where(bottom > floor, bottom, max(floor, 1e-30))
    return found.reshape(deltas.shape[1:])


def _most_different(stack: Tensor, share: float) -> Tensor:
    """Mark the int(share · non-zero) elements of largest variance over the experts."""
    variance = stack.var(0, unbiased=False)
    count = int(share * int((variance != 0).sum()))
    mask = torch.zeros_like(variance)
    if count:
        mask[variance.topk(count).indices] = 1
    return mask


ROWS = Param(
    name="by_row",
    label="One angle per row",
    default=False,
    origin="mergekit: filter_wise false",
    help="Measure angles within each row instead of over the whole tensor.",
    advanced=True,
)
CLIP = Param(
    name="clip",
    label="Stay between base and average",
    default=False,
    origin="ours; off as in the paper",
    help="Where experts point away from each other, stop at the base instead of going past it.",
    advanced=True,
)
SHORTEST = 1e-6


def model_stock(deltas: Tensor, ctx: Context) -> Tensor:
    """Pull the average towards the base by the angles between the experts.

    Args:
        deltas: Shape (experts, *shape), at least two experts.
        ctx: Settings ``by_row`` and ``clip``.

    Returns:
        t mean(τ), t = n c / (1 + (n - 1) c), c the mean cosine over pairs (norm products are at
        least 1e-6); t = 0 where the divisor is nearly zero. Shape (*shape).

    Source:
        Jang et al. 2024, arXiv:2403.19522, equation for two models; the mean over pairs of more
        models as in mergekit.
    """
    count = len(deltas)
    if ctx.settings.flag("by_row") and deltas.dim() > 2:
        rows = deltas.reshape(count, -1, deltas.shape[-1])
        table = torch.stack([(rows[i] * rows).sum(2) for i in range(count)])
    else:
        rows = deltas.reshape(count, 1, -1)
        table = products(deltas, ctx).unsqueeze(2).to(deltas.device)
    t = _ratio(table)
    if ctx.settings.flag("clip"):
        t = t.clamp(0, 1)
    mean = added(rows) / count
    return (mean * t.unsqueeze(1).to(mean.dtype)).reshape(deltas.shape[1:])


def _ratio(table: Tensor) -> Tensor:
    """How far to go from the base to the mean, from inner products; (n, n, rows) -> (rows,)."""
    count = len(table)
    norms = table.diagonal().T.sqrt()
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    cosines = [table[i, j] / (norms[i] * norms[j]).clamp_min(SHORTEST) for i, j in pairs]
    c = torch.stack(cosines).clamp(-1, 1).mean(0)
    bottom = 1 + (count - 1) * c
    usable = bottom.abs() >= SHORTEST
    return torch.where(usable, count * c / torch.where(usable, bottom, 1.0), 0.0)


def sce_holds(settings: Settings) -> str:
    """The energy is a sum; a selection ranks a number of its own."""
    if settings.number("select") >= 1:
        return ""
    return "it ranks the weights of a tensor by how far the experts differ"


def stock_holds(settings: Settings) -> str:
    """The angles of a tensor follow from sums over it."""
    return "it measures angles within each row of a tensor" if settings.flag("by_row") else ""


SCE = MethodSpec(
    id="sce",
    label="SCE",
    family="Task vectors",
    summary="Weigh experts, tensor by tensor, by their energy where they differ; erase minorities.",
    idea="Experts that moved more where they disagree speak louder, so nobody has to choose "
    "coefficients.",
    formula="θ = θ₀ + Σ wᵢ·τᵢ / Σ wᵢ over the elected sign,  wᵢ ∝ mean(τᵢ²)",
    source=Source("Wan et al. 2024, FuseChat", "2408.07990"),
    merge=sce,
    params=(SELECT, MASKED, FLOOR),
    scope=lambda settings: "tensor",
    holds=sce_holds,
    dialects={"paper": {}, "mergekit": {"merge_selected_only": True, "floor": 1e-6}},
    weighted=False,
    idempotent=True,
    homogeneous=True,
    cost="one pass over the weights; a selected share below 1 also takes an order statistic per "
    "tensor",
    differs="mergekit merges only the selected weights and silently counts all experts the same "
    "where changes are small (mean squares below 1e-6); the authors' code does neither.",
)
MODEL_STOCK = MethodSpec(
    id="model_stock",
    label="Model Stock",
    family="Averages",
    summary="Average, then go back towards the base as far as the experts' angles say.",
    idea="Experts lie on a thin shell around a centre, and the angles between their task vectors "
    "tell where it is.",
    formula="θ = θ₀ + t·mean(τᵢ),  t = n·cos φ / (1 + (n-1)·cos φ)",
    source=Source("Jang et al. 2024, Model Stock", "2403.19522"),
    merge=model_stock,
    params=(ROWS, CLIP),
    needs=Needs(experts=2),
    scope=lambda settings: "tensor",
    holds=stock_holds,
    dialects={"paper": {}, "mergekit": {}},
    weighted=False,
    idempotent=True,
    cost="one pass over the weights, with an inner product per tensor and pair of experts",
    differs="The paper treats two models; the mean over pairs is mergekit's. Deltas so short that "
    "the product of norms is below 1e-6 count as orthogonal there, and here. Rows run along the "
    "last axis in both, which for a convolution is the width of its kernel.",
)
