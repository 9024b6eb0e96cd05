"""DELLA: drop at random, small changes more often than large ones, then elect or add."""

from dataclasses import replace

import torch
from torch import Tensor

from merging.errors import ParameterError
from merging.methods import arithmetic, ties
from merging.methods.average import check_sum
from merging.methods.context import Context, Settings
from merging.methods.kernels import rescale
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Source, together
from merging.methods.totals import l1

EPSILON = Param(
    name="epsilon",
    label="Spread ε",
    default=0.15,
    origin="mergekit; the authors' window_size is 2 ε",
    help="How much less often the smallest change is kept, and more often the largest.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 0.49),
    symbol="ε",
    per_expert=True,
)
DENSITY = replace(
    ties.DENSITY,
    default=0.7,
    origin="Deep et al. 2024: 0.7 works well",
    help="Share of each expert's changes that is kept on average.",
)
RESCALE = replace(
    ties.RESCALE,
    default="inverse",
    origin="Deep et al. 2024: each by 1/its chance of being kept",
    help="Each change by 1/its chance, so that each tensor keeps its L1 norm, or not at all.",
)


def keep_chances(delta: Tensor, density: float, epsilon: float) -> Tensor:
    """Return with which chance each change of one expert is kept, by its rank in its row.

    Rows run along axis 1; a tensor with one axis is one row, and of a row of one the chance is
    the density.

    Args:
        delta: Shape (*shape).
        density: Mean chance.
        epsilon: Half the range of chances.

    Returns:
        (d - ε) + 2 ε (r - 1)/(L - 1), r = 1 for the smallest |δ|; shape (*shape). At a density of
        0 or 1 every chance is that, whatever ε.

    Source:
        Deep et al. 2024, arXiv:2406.11617, MagPrune.
    """
    axis = 1 if delta.dim() > 1 else 0
    length = delta.shape[axis] if delta.dim() else 1
    if length == 1 or density in (0, 1):
        return torch.full_like(delta, density)
    order = delta.abs().argsort(dim=axis, stable=True)
    ranks = torch.empty_like(order)
    steps = torch.arange(length, device=delta.device).reshape(
        [-1 if a == axis else 1 for a in range(delta.dim())]
    )
    ranks.scatter_(axis, order, steps.expand_as(order))
    return (density - epsilon) + 2 * epsilon * ranks.to(delta.dtype) / (length - 1)


def magprune(deltas: Tensor, ctx: Context) -> Tensor:
    """Drop changes by ``keep_chances`` and make up for them.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``density`` and ``epsilon`` per expert, ``rescale``; masks.

    Returns:
        Same shape.

    Source:
        Deep et al. 2024, arXiv:2406.11617; l1 as in mergekit.
    """
    settings, count = ctx.settings, deltas[0].numel()
    how = settings.word("rescale")
    pairs = zip(settings.each["density"], settings.each["epsilon"], strict=True)
    done = []
    for delta, expert, (density, epsilon) in zip(deltas, ctx.experts, pairs, strict=True):
        chances = keep_chances(delta, density, epsilon)
        drop = (1 - chances).flatten()
        mask = ctx.masks.keep(ctx.tensor, expert, ctx.start, count, drop)
        sparse = delta * mask.to(delta.device).reshape(delta.shape)
        done.append(sparse / torch.where(chances > 0, chances, 1) if how == "inverse" else sparse)
    stack = torch.stack(done)
    if how != "l1":
        return stack
    return rescale(stack, how, settings.each["density"], torch.stack([l1(deltas), l1(stack)]))


def check(settings: Settings) -> None:
    """Refuse chances outside 0 to 1.

    Raises:
        ParameterError: density - ε is not above 0, or density + ε not below 1; a density of 0 or
            1 stands for itself.
    """
    for density, epsilon in zip(settings.each["density"], settings.each["epsilon"], strict=True):
        if 0 < density < 1 and (density <= epsilon or density + epsilon >= 1):
            raise ParameterError(
                f"density {density:g} ± epsilon {epsilon:g} leaves the range of chances, 0 to 1. "
                f"Lower epsilon below {min(density, 1 - density):g}."
            )


_PAPER = Source("Deep et al. 2024, DELLA-Merging", "2406.11617")
DELLA = MethodSpec(
    id="della",
    label="DELLA",
    family="Task vectors",
    summary="Drop small changes more often than large ones, elect a sign, average what agrees.",
    idea="Large changes are likelier to matter, so they survive more often; the election settles "
    "what still collides.",
    formula="θ = θ₀ + λ · mean{ w·mᵢ·τᵢ/πᵢ : the sign is the elected one }",
    source=_PAPER,
    sparsify=magprune,
    merge=ties.consensus,
    params=(
        DENSITY,
        EPSILON,
        replace(arithmetic.SCALE, origin="mergekit: lambda 1; the authors' example has 1.1"),
        RESCALE,
        *ties.ELECTED,
    ),
    scope=lambda settings: "tensor",
    holds=lambda settings: "it ranks changes within each row of a tensor",
    check=together(check, ties.check_divisor),
    dialects={"paper": {}, "mergekit": {"rescale": "l1", **ties.VOTES_AS_MERGEKIT}},
    random=True,
    cost="one pass over the weights, with a sort of every row",
    differs="The authors divide each change by its own chance; mergekit restores the L1 norm of "
    "the tensor, lets weights vote and divides by their sum. The authors' window_size is 2 ε.",
)
DELLA_LINEAR = MethodSpec(
    id="della_linear",
    label="DELLA linear",
    family="Task vectors",
    summary="Drop small changes more often than large ones and add the rest.",
    idea="Small changes are dropped first, as in DELLA; without an election, opposite signs "
    "cancel in the sum.",
    formula="θ = θ₀ + λ Σ w·mᵢ·τᵢ/πᵢ",
    source=_PAPER,
    sparsify=magprune,
    merge=arithmetic.weighted_sum,
    params=(DENSITY, EPSILON, arithmetic.SUM_SCALE, RESCALE, arithmetic.DIVIDE),
    scope=lambda settings: "tensor",
    holds=lambda settings: "it ranks changes within each row of a tensor",
    check=together(check, check_sum),
    dialects={"paper": {}, "mergekit": {"rescale": "l1", "scale": 1.0}},
    random=True,
    cost="one pass over the weights, with a sort of every row",
    differs="The authors divide each change by its own chance; mergekit restores the L1 norm of "
    "the tensor and has λ = 1.",
)
