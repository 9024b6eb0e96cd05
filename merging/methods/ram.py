"""RAM and RAM+: what only one expert changed is kept in full, what several changed is averaged."""

import torch
from torch import Tensor

from merging.methods.context import Context
from merging.methods.kernels import per_expert
from merging.methods.params import Param
from merging.methods.rows import added
from merging.methods.spec import MethodSpec, Source
from merging.methods.totals import over_tensor

CHANGED = Param(
    name="changed",
    label="Changed above",
    default=1e-5,
    origin="mergekit: epsilon 1e-5",
    help="A weight counts as changed by an expert when it moved by more than this.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 0.001),
    step=1e-5,
    symbol="ε",
)
BOOST = Param(
    name="boost",
    label="Boost r",
    default=0.1,
    origin="mergekit: ramplus_tl, r 0.1",
    help="How much what is unique to an expert is scaled up where it shares a lot.",
    minimum=0.0,
    maximum=10.0,
    slider=(0.0, 2.0),
    step=0.05,
    symbol="r",
)
CEILING = Param(
    name="ceiling",
    label="Ceiling α",
    default=0.2,
    origin="mergekit: ramplus_tl, alpha 0.2",
    help="Largest ratio of shared to unique changes that is counted.",
    minimum=0.0,
    maximum=100.0,
    slider=(0.0, 2.0),
    step=0.05,
    symbol="α",
)


def _parts(deltas: Tensor, ctx: Context) -> tuple[Tensor, Tensor, Tensor]:
    """Return changes, their mask as numbers, and how many experts changed each weight."""
    moved = (deltas.abs() > ctx.settings.number("changed")).to(deltas.dtype)
    return deltas * moved, moved, added(moved)


def ram(deltas: Tensor, ctx: Context) -> Tensor:
    """Add what one expert alone changed; average what several changed over those.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Setting ``changed``.

    Returns:
        Shape (*shape).

    Source:
        Yuan et al. 2026, arXiv:2601.13572: averaging over all experts would dilute sparse
        changes.
    """
    changes, _, count = _parts(deltas, ctx)
    return added(changes) / count.clamp_min(1)


def ram_plus(deltas: Tensor, ctx: Context) -> Tensor:
    """As ``ram``, with unique changes scaled up by 1 + r · min(shared/unique, α) per expert.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``changed``, ``boost``, ``ceiling``.

    Returns:
        Shape (*shape).

    Source:
        Yuan et al. 2026, arXiv:2601.13572; counted within each tensor as mergekit's ramplus_tl.
    """
    changes, _, count = _parts(deltas, ctx)
    unique, shared = over_tensor("changes", deltas, ctx, _changes)
    ratio = (shared / unique.clamp_min(1e-5)).clamp(0, ctx.settings.number("ceiling"))
    factors = 1 + ctx.settings.number("boost") * ratio
    lifted = changes * per_expert(factors.tolist(), changes)
    own = (count == 1).to(changes.dtype)
    return added(lifted * own + changes * (1 - own)) / count.clamp_min(1)


def _changes(deltas: Tensor, ctx: Context) -> Tensor:
    """How many weights each expert alone changed, and how many with others; shape (2, experts)."""
    _, moved, count = _parts(deltas, ctx)
    unique = (moved * (count == 1)).sum(1, dtype=torch.float64)
    return torch.stack([unique, moved.sum(1, dtype=torch.float64) - unique]).cpu()


_PAPER = Source("Yuan et al. 2026, Behavior knowledge merge in reinforced agents", "2601.13572")
RAM = MethodSpec(
    id="ram",
    label="RAM",
    family="Task vectors",
    summary="Keep in full what one expert alone changed; average what several changed.",
    idea="A mean over all experts would dilute what only one of them changed.",
    formula="θ = θ₀ + Σ τᵢ / #{i : |τᵢ| > ε}",
    source=_PAPER,
    merge=ram,
    params=(CHANGED,),
    dialects={"paper": {}, "mergekit": {}},
    weighted=False,
    idempotent=True,
)
RAM_PLUS = MethodSpec(
    id="ram_plus",
    label="RAM+",
    family="Task vectors",
    summary="RAM that scales up what is unique to an expert that shares a lot.",
    idea="What an expert shares is averaged and loses strength; the boost of what it has alone is "
    "meant to make up for that.",
    formula="θ = θ₀ + Σ λᵢ·τᵢ / #{i : |τᵢ| > ε},  λᵢ = 1 + r·min(ρᵢ, α) where τᵢ is alone",
    source=_PAPER,
    merge=ram_plus,
    params=(CHANGED, BOOST, CEILING),
    scope=lambda settings: "tensor",
    holds=lambda settings: "",
    dialects={"paper": {}, "mergekit": {}},
    weighted=False,
    idempotent=True,
    differs="The paper takes one factor per expert over the whole model; mergekit's ramplus_tl, "
    "followed here, one per tensor.",
)
