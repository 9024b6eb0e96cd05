"""Task vectors cut by magnitude before they are added: magnitude pruning and breadcrumbs."""

from dataclasses import replace

import torch
from torch import Tensor

from merging.errors import ParameterError
from merging.methods import arithmetic, ties
from merging.methods.average import check_sum
from merging.methods.context import Context, Settings
from merging.methods.kernels import rescale, trim
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Scope, Source, together
from merging.methods.totals import l1

MAGNITUDE_PRUNE = MethodSpec(
    id="magnitude_prune",
    label="Magnitude pruning",
    family="Task vectors",
    summary="Keep each expert's largest changes and add them, without an election.",
    idea="Large changes carry most of what was learned, and what is dropped cannot interfere.",
    formula="θ = θ₀ + λ Σ w·trim(τᵢ)",
    source=Source("Yu et al. 2023 (baseline of DARE); peft magnitude_prune", "2311.03099"),
    trim=ties.trimmed_and_rescaled,
    merge=arithmetic.weighted_sum,
    params=(
        ties.DENSITY,
        replace(arithmetic.SCALE, origin="ours: the weights alone, as in peft"),
        replace(ties.TRIM_SCOPE, default="tensor", origin="MergeLM, peft: within each tensor"),
        replace(ties.TRIM_RULE, default="strict", origin="MergeLM, code"),
        replace(ties.RESCALE, origin="peft, code"),
        arithmetic.DIVIDE,
    ),
    scope=ties.scope,
    holds=ties.holds,
    check=together(check_sum, ties.check_trim),
    dialects={"paper": {}, "peft": {"trim_rule": "exact"}},
    homogeneous=True,
    cost="one pass over the weights, with an order statistic per tensor and expert",
    differs="MergeLM also drops what is as small as the largest dropped change, so ties all go; "
    "peft keeps exactly int(d·n).",
)

FORM = Param(
    name="form",
    label="Compare within",
    default="row",
    origin="Davari and Belilovsky 2023, code: along the last axis",
    help="Rank changes within each row, over the whole tensor, or by two thresholds of the tensor.",
    choices=("row", "tensor", "thresholds"),
    advanced=True,
)
GAMMA = Param(
    name="gamma",
    label="Outliers γ",
    default=0.01,
    origin="Davari and Belilovsky 2023: 0.006 to 0.01",
    help="Share of the largest changes that is thrown away.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 0.2),
    step=0.005,
    symbol="γ",
    per_expert=True,
)
KEPT = replace(
    ties.DENSITY,
    default=0.15,
    origin="Davari and Belilovsky 2023: β = 0.15",
    help="Share of the changes that is kept, after the outliers.",
)
SMALL = Param(
    name="small",
    label="Smallest dropped",
    default=0.09,
    origin="MergeLLM",
    help="With thresholds: the share of the smallest changes that is dropped; the rest of what "
    "is not kept comes off the largest.",
    minimum=0.0,
    maximum=1.0,
    advanced=True,
)


def middle(deltas: Tensor, ctx: Context) -> Tensor:
    """Keep changes of middling size: neither the smallest nor the very largest.

    ``row``: along the last axis drop the int(L γ) largest, then keep the int(L d) largest of the
    rest. ``tensor``: keep int(n d) below the int(n γ) largest; among equals the first count as
    larger. ``thresholds``: keep what lies from the int(n s)-th to the
    (n - int(n (1 - d)) + int(n s))-th smallest, ends included.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``density`` and ``gamma`` per expert, ``form``, ``small``, ``rescale``.

    Returns:
        The rest at zero, same shape.

    Source:
        Davari and Belilovsky 2023, arXiv:2312.06795 (row); mergekit (tensor); MergeLLM.
    """
    how, densities = ctx.settings.word("rescale"), ctx.settings.each["density"]
    kept = _FORMS[ctx.settings.word("form")](deltas, ctx)
    norms = torch.stack([l1(deltas), l1(kept)]) if how == "l1" else None
    return rescale(kept, how, densities, norms)


def _by_row(deltas: Tensor, ctx: Context) -> Tensor:
    each, length = ctx.settings.each, deltas.shape[-1] if deltas.dim() > 1 else 1
    rows = deltas.reshape(len(deltas), -1, length)
    kept = torch.zeros_like(rows)
    for delta, density, gamma, out in zip(rows, each["density"], each["gamma"], kept, strict=True):
        many, top = int(length * density), int(length * gamma)
        bottom = max(0, length - many - top)
        order = delta.abs().argsort(dim=-1, stable=True)
        chosen = order[..., bottom : min(bottom + many, length - top)]
        out.scatter_(-1, chosen, delta.gather(-1, chosen))
    return kept.reshape(deltas.shape)


def _below_outliers(deltas: Tensor, ctx: Context) -> Tensor:
    count, each = ctx.magnitudes.count, ctx.settings.each
    kept = [int(count * density) for density in each["density"]]
    tops = [
        min(int(count * gamma), count - many)
        for many, gamma in zip(kept, each["gamma"], strict=True)
    ]
    both = _largest(deltas, [many + top for many, top in zip(kept, tops, strict=True)], ctx)
    outliers = _largest(deltas, tops, ctx)
    return torch.where(outliers != 0, torch.zeros_like(both), both)


def _largest(deltas: Tensor, kept: list[int], ctx: Context) -> Tensor:
    """Keep so many entries of each expert; half an entry more shields them from rounding."""
    count = ctx.magnitudes.count
    shares = [(many + 0.5) / count if many else 0.0 for many in kept]
    return trim(deltas, shares, "exact", ctx.magnitudes)


def _between(deltas: Tensor, ctx: Context) -> Tensor:
    count, sizes = ctx.magnitudes.count, ctx.magnitudes
    low = int(count * ctx.settings.number("small"))
    kept = []
    for index, density in enumerate(ctx.settings.each["density"]):
        high = int(count * (1 - density)) - low
        least = sizes.kth_smallest(index, max(low, 1))
        most = sizes.kth_smallest(index, max(count - high, 1))
        size = deltas[index].abs()
        kept.append(deltas[index] * ((size >= least) & (size <= most)))
    return torch.stack(kept)


_FORMS = {"row": _by_row, "tensor": _below_outliers, "thresholds": _between}


def middle_holds(settings: Settings) -> str:
    """Order statistics of a tensor do, but for ranks within rows."""
    if settings.word("form") == "row":
        return "it ranks changes within each row of a tensor"
    return ties.holds(settings)


def middle_scope(settings: Settings) -> Scope:
    """Ranks need the whole tensor."""
    return "tensor"


def check_middle(settings: Settings) -> None:
    """Refuse thresholds that cross, and weights that sum to zero where they are divided by.

    Raises:
        ParameterError: With thresholds, more small changes are dropped than changes in all.
    """
    low = settings.number("small")
    thin = [d for d in settings.each["density"] if 1 - d < low]
    if settings.word("form") == "thresholds" and thin:
        raise ParameterError(
            f"small is {low:g}, but at density {thin[0]:g} only {1 - thin[0]:g} is dropped in all. "
            "Lower small or density."
        )
    if "normalize" in settings.common:
        check_sum(settings)


_SHAPE = (FORM, SMALL, replace(ties.RESCALE, origin="Davari and Belilovsky 2023, code"))
BREADCRUMBS = MethodSpec(
    id="breadcrumbs",
    label="Breadcrumbs",
    family="Task vectors",
    summary="Drop the smallest changes as noise and the very largest as outliers, add the rest.",
    idea="Tiny changes are noise and the largest of one task can hurt the others; what lies "
    "between is kept.",
    formula="θ = θ₀ + λ Σ w·mid(τᵢ; d, γ)",
    source=Source("Davari and Belilovsky 2023, Model breadcrumbs", "2312.06795"),
    trim=middle,
    merge=arithmetic.weighted_sum,
    params=(
        KEPT,
        GAMMA,
        replace(
            arithmetic.SUM_SCALE, origin="Davari and Belilovsky 2023: 0.2 to 0.3 for many tasks"
        ),
        *_SHAPE,
        arithmetic.DIVIDE,
    ),
    scope=middle_scope,
    holds=middle_holds,
    check=check_middle,
    dialects={"paper": {}, "mergekit": {"form": "tensor", "density": 1.0, "scale": 1.0}},
    homogeneous=True,
    cost="one pass over the weights, with a sort of every row",
    differs="The authors rank along the last axis, so a kernel three wide keeps int(3 d), which "
    "is none at 0.15; mergekit and MergeLLM rank over the whole tensor. In mergekit the density "
    "is 1 by default, which keeps everything, outliers too. MergeLLM cuts at two thresholds and "
    "keeps ties.",
)
BREADCRUMBS_TIES = MethodSpec(
    id="breadcrumbs_ties",
    label="Breadcrumbs + TIES",
    family="Task vectors",
    summary="Breadcrumbs, then one sign per weight is elected and what agrees is merged.",
    idea="The election keeps what is left of one expert from cancelling what is left of another.",
    formula="θ = θ₀ + λ · mean{ w·mid(τᵢ) : the sign is the elected one }",
    source=Source("mergekit, breadcrumbs_ties (after Davari and Belilovsky 2023)", "2312.06795"),
    trim=middle,
    merge=ties.consensus,
    params=(
        KEPT,
        GAMMA,
        replace(arithmetic.SCALE, origin="mergekit: lambda 1"),
        *_SHAPE,
        *ties.ELECTED,
    ),
    scope=middle_scope,
    holds=middle_holds,
    check=together(check_middle, ties.check_divisor),
    dialects={
        "paper": {},
        "mergekit": {
            "form": "tensor",
            "density": 1.0,
            **ties.VOTES_AS_MERGEKIT,
            "combine": "sum",
        },
    },
    homogeneous=True,
    cost="one pass over the weights, with a sort of every row",
    differs="The paper has no election; it is mergekit's, which ranks over the whole tensor, lets "
    "weights vote and adds what agrees without dividing.",
)
