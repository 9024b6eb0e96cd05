"""PCB-Merging: score every change by importance and agreement, drop low scores, weigh the rest."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from merging.methods.arithmetic import SCALE
from merging.methods.context import Context, Pieces
from merging.methods.kernels import per_expert
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Source

RATIO = Param(
    name="ratio",
    label="Kept share r",
    default=0.1,
    origin="Du et al. 2024: 0.05 to 0.2",
    help="Share of all changes with the highest scores; the rest counts nothing.",
    minimum=0.001,
    maximum=1.0,
    slider=(0.01, 1.0),
    symbol="r",
    aliases=("pcb_ratio",),
)
CLAMP = Param(
    name="clamp",
    label="Clamped ends",
    default=0.0001,
    origin="Du et al. 2024, main script; their NLP code has 0.01",
    help="Share of the smallest and of the largest changes that is pulled in before scoring.",
    minimum=0.0,
    maximum=0.49,
    slider=(0.0, 0.05),
    step=0.0001,
    advanced=True,
)
LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Bounds:
    """Over the whole model, per expert: clamp of |τ| and of the scores."""

    sizes: tuple[tuple[float, float], ...]
    scores: tuple[tuple[float, float], ...]


def _clamped(deltas: Tensor, sizes: tuple[tuple[float, float], ...]) -> Tensor:
    return torch.stack(
        [d.abs().clamp(low, max(low, high)) for d, (low, high) in zip(deltas, sizes, strict=True)]
    )


def scores(deltas: Tensor, sizes: tuple[tuple[float, float], ...]) -> Tensor:
    """Return importance within the task times agreement with the others.

    Args:
        deltas: Shape (experts, *shape).
        sizes: Clamp of |τ| per expert.

    Returns:
        exp(n s²) tanh(τ Σ τ), s the clamped |τ| brought to 0 to 1; same shape.

    Source:
        Du et al. 2024, arXiv:2410.02396, intra- and inter-balancing, in the authors' code.
    """
    lows = per_expert([low for low, _ in sizes], deltas)
    widths = per_expert([max(high - low, LEAST) for low, high in sizes], deltas)
    share = (_clamped(deltas, sizes) - lows) / widths
    return torch.exp(len(deltas) * share.square()) * torch.tanh(deltas * deltas.sum(0))


def bounds(pieces: Pieces) -> Bounds:
    """Find the clamps of a model: of |τ|, then of the scores that follow from it.

    Args:
        pieces: Yields (context, deltas) for every tensor; may be run twice.

    Returns:
        Per expert the order statistics at int(N c) and int(N (1 - c) - 1) of |τ|, and of the
        scores the one at int(N (1 - r)) and the largest.
    """
    ctx, first = next(iter(pieces()))
    total, clamp = ctx.magnitudes.count, ctx.settings.number("clamp")
    low, high = int(total * clamp), max(0, int(total * (1 - clamp) - 1))
    sizes = tuple(
        (ctx.magnitudes.kth_smallest(i, low + 1), ctx.magnitudes.kth_smallest(i, high + 1))
        for i in range(len(first))
    )
    rank = min(int(total * (1 - ctx.settings.number("ratio"))), total - 1)

    def flat(expert: int) -> Iterator[Tensor]:
        for _, deltas in pieces():
            yield scores(deltas, sizes)[expert].flatten()

    ends = []
    for i in range(len(first)):
        own = torch.cat(list(flat(i)))
        ends.append((float(own.kthvalue(rank + 1).values), float(own.max())))
    return Bounds(sizes, tuple(ends))


def pcb(deltas: Tensor, ctx: Context) -> Tensor:
    """Average the clamped changes by their scores.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``weight`` per expert (the paper's λ_i) and ``scale``; ``survey`` from
            ``bounds``.

    Returns:
        λ Σ λ_i S_i T_i / Σ S_i, zero where nobody scores; shape (*shape).

    Source:
        Du et al. 2024, arXiv:2410.02396, in the authors' code.
    """
    found = ctx.survey
    assert isinstance(found, Bounds)
    lows = per_expert([low for low, _ in found.scores], deltas)
    widths = per_expert([max(high - low, LEAST) for low, high in found.scores], deltas)
    shares = ((scores(deltas, found.sizes) - lows) / widths).clamp_(0, 1)
    values = deltas.sign() * _clamped(deltas, found.sizes)
    values = values * per_expert(ctx.settings.each["weight"], deltas)
    merged = (shares * values).sum(0) / shares.sum(0).clamp_min(LEAST)
    return merged * ctx.settings.number("scale")


PCB = MethodSpec(
    id="pcb",
    label="PCB-Merging",
    family="Task vectors",
    summary="Score each change by its size within its task and its agreement with the others.",
    idea="Changes compete: what is large for its task and goes with the others counts more, and "
    "the weakest count nothing.",
    formula="θ = θ₀ + λ · Σ w·Sᵢ·τᵢ / Σ Sᵢ",
    source=Source("Du et al. 2024, Parameter competition balancing", "2410.02396"),
    merge=pcb,
    params=(RATIO, replace(SCALE, origin="Du et al. 2024: from 1 to 2.2 on a grid"), CLAMP),
    scope=lambda settings: "model",
    holds=lambda settings: "it ranks scores over the whole model",
    survey=bounds,
    cost="order statistics of changes and of scores over the whole model, with all task vectors "
    "in memory",
    differs="The authors' main script clamps 0.0001 of each end, their NLP code 0.01. They also "
    "search one λ per task; here it is the weight.",
)
