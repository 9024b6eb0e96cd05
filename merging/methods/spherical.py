"""Averages along the sphere: SLERP, NuSLERP, multi-SLERP and the Karcher mean."""

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.linalg import vector_norm

from merging.errors import CompatibilityError
from merging.methods.average import check_shares, check_sum_always
from merging.methods.context import Context, Settings
from merging.methods.params import Param
from merging.methods.rows import combined, products
from merging.methods.spec import MethodSpec, Needs, Source, Space

TINY = 1e-8
T = Param(
    name="t",
    label="Position t",
    default=0.5,
    origin="halfway; no implementation has a default",
    help="0 is the first model, 1 the second.",
    minimum=0.0,
    maximum=1.0,
    symbol="t",
)
LINEAR_ABOVE = Param(
    name="linear_above",
    label="Linear above cosine",
    default=0.9995,
    origin="mergekit, MergeLLM",
    help="Above this cosine, either way, the straight line is taken instead of the arc.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.99, 1.0),
    step=0.0005,
    advanced=True,
)
AROUND = Param(
    name="around",
    label="Around",
    default="base",
    origin="mergekit: with a base model, its task vectors",
    help="Turn task vectors around the base, or whole weights around zero.",
    choices=("base", "origin"),
    advanced=True,
)
FLATTEN = Param(
    name="flatten",
    label="One angle per",
    default="tensor",
    origin="mergekit: nuslerp_flatten true",
    help="Measure one angle for the whole tensor, or for each of its rows or columns.",
    choices=("tensor", "row", "column"),
    advanced=True,
)
ROUNDS = Param(
    name="rounds",
    label="Most rounds",
    default=10,
    origin="mergekit: max_iter",
    help="Stop after so many steps towards the mean.",
    minimum=1,
    maximum=1000,
    slider=(1, 100),
    step=1,
    advanced=True,
)
TOLERANCE = Param(
    name="tolerance",
    label="Tolerance",
    default=1e-5,
    origin="mergekit: tol",
    help="Stop when a step is smaller than this angle; smaller norms count as zero.",
    minimum=1e-12,
    maximum=0.1,
    slider=(1e-6, 1e-3),
    step=1e-6,
    advanced=True,
)
SHOEMAKE = Source("Shoemake 1985, Animating rotation with quaternion curves")


def slerp(models: Tensor, ctx: Context) -> Tensor:
    """Go from one model to another along the arc between them, so that the norm interpolates.

    Args:
        models: Weights of two models, shape (2, *shape).
        ctx: Settings ``t`` and ``linear_above``.

    Returns:
        sin((1-t)φ)/sin φ · v₀ + sin(tφ)/sin φ · v₁ with φ the angle between the flattened
        tensors; (1-t) v₀ + t v₁ where |cos φ| is above ``linear_above`` or nearly 1, so that there
        is no arc or no single one. Shape (*shape).

    Source:
        Shoemake 1985; the fallback as in mergekit and MergeLLM.
    """
    t, table = ctx.settings.number("t"), products(models, ctx)
    norms = [n if n > TINY else 1.0 for n in table.diagonal().sqrt().tolist()]
    cosine = max(-1.0, min(1.0, float(table[0, 1]) / (norms[0] * norms[1])))
    if abs(cosine) > ctx.settings.number("linear_above") or 1 - cosine**2 <= 1e-16:
        return (1 - t) * models[0] + t * models[1]
    angle = math.acos(cosine)
    parts = math.sin((1 - t) * angle), math.sin(t * angle)
    return (parts[0] * models[0] + parts[1] * models[1]) / math.sin(angle)


def nuslerp(stack: Tensor, ctx: Context) -> Tensor:
    """SLERP of two models by their weights, of task vectors or of whole models.

    Args:
        stack: Shape (2, *shape).
        ctx: Settings ``weight`` per expert and ``flatten``.

    Returns:
        As ``slerp`` at t = w₂/(w₁ + w₂), 0.5 where the weights sum to nearly zero; linear where
        the sine of the angle is at most 1e-8. Shape (*shape).

    Source:
        mergekit, nuslerp.
    """
    one, two = ctx.settings.each["weight"]
    t = two / (one + two) if abs(one + two) >= 1e-6 else 0.5
    how = ctx.settings.word("flatten")
    if how == "tensor" or stack.dim() < 3:
        table = products(stack, ctx)
        norms = table.diagonal().sqrt().clamp_min(TINY)
        factors = _arc(table[0, 1] / (norms[0] * norms[1]), t)
        return combined(stack, torch.stack(factors).tolist())
    rows = stack if how == "row" else stack.movedim(1, -1)
    norms = vector_norm(rows.double(), dim=-1, keepdim=True)
    units = rows.double() / norms.clamp_min(TINY)
    one_share, two_share = _arc(units.prod(0).sum(-1, keepdim=True), t)
    merged = (one_share * rows[0] + two_share * rows[1]).to(stack.dtype)
    return merged.movedim(-1, 0) if how == "column" else merged


def _arc(cosine: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """Shares of both ends at position t of the arc, or of the line where there is no arc."""
    cosine = cosine.clamp(-1, 1)
    angle, sine = cosine.acos(), (1 - cosine.square()).clamp_min(0).sqrt()
    straight = sine <= TINY
    bottom = torch.where(straight, 1.0, sine)
    first, second = (torch.sin(share * angle) / bottom for share in (1 - t, t))
    return torch.where(straight, 1 - t, first), torch.where(straight, t, second)


def nuslerp_holds(settings: Settings) -> str:
    """One angle per tensor follows from sums over it."""
    word = settings.word("flatten")
    return "" if word == "tensor" else f"it measures an angle for each {word} of a tensor"


def around_space(settings: Settings) -> Space:
    """Task vectors around the base, weights around zero."""
    return "deltas" if settings.word("around") == "base" else "weights"


def multislerp(stack: Tensor, ctx: Context) -> Tensor:
    """Average many models on the sphere by one step in the plane that touches it at their mean.

    Args:
        stack: Shape (experts, *shape).
        ctx: Settings ``weight`` per expert (divided by their sum).

    Returns:
        The averaged direction times the weighted mean of the norms, shape (*shape).

    Raises:
        CompatibilityError: The directions cancel, so that no mean direction exists.

    Source:
        mergekit, multislerp (a barycentre by one tangent step).
    """
    raw, table = ctx.settings.each["weight"], products(stack, ctx)
    weights = torch.tensor([w / sum(raw) for w in raw], dtype=torch.float64)
    norms = table.diagonal().sqrt()
    mean = weights / (norms + TINY)
    length = _length(mean, table)
    if length < TINY:
        if len(stack) == 2 or not bool(norms.any()):
            return combined(stack, weights.tolist())
        raise CompatibilityError(
            f"{ctx.tensor}: the experts point in directions that cancel, so they have no mean "
            "direction. Use other weights or another method."
        )
    middle = mean / length
    tangent = mean - (mean * (table @ middle)).sum() * middle
    found = _walk(middle, tangent, table) * (norms * weights).sum()
    return combined(stack, found.tolist())


def _length(factors: Tensor, table: Tensor) -> float:
    """Length of a sum of factor times expert, from their inner products."""
    return math.sqrt(max(0.0, float(factors @ table @ factors)))


def _walk(point: Tensor, tangent: Tensor, table: Tensor) -> Tensor:
    """Move a unit vector along a tangent, by its length as an angle; all as factors of experts."""
    length = _length(tangent, table)
    if length < TINY:
        return point
    return point * math.cos(length) + tangent * (math.sin(length) / length)


def karcher(models: Tensor, ctx: Context) -> Tensor:
    """Average models at the point of the sphere with the least squared angles to them all.

    Args:
        models: Shape (experts, *shape).
        ctx: Settings ``weight`` per expert (1 each in the reference), ``rounds``, ``tolerance``.

    Returns:
        The mean direction times the weighted mean of the norms, shape (*shape).

    Source:
        Karcher 1977; constants as in mergekit.
    """
    raw, table = ctx.settings.each["weight"], products(models, ctx)
    shares = torch.tensor([w / sum(raw) for w in raw], dtype=torch.float64)
    norms = table.diagonal().sqrt()
    used = (norms > ctx.settings.number("tolerance")) & (shares > 0)
    if not bool(used.any()):
        return torch.zeros_like(models[0])
    scales = torch.where(used, 1 / norms.clamp_min(1e-300), 0.0)
    mean = _towards_mean(table * scales * scales.unsqueeze(1), shares * used, ctx.settings)
    return combined(models, (mean * scales * (shares * norms).sum()).tolist())


def _towards_mean(table: Tensor, shares: Tensor, settings: Settings) -> Tensor:
    """Factors of the mean direction, from inner products of unit vectors; 0 where the share is."""
    tolerance = settings.number("tolerance")
    alphas = shares / shares.sum()
    length = _length(alphas, table)
    first = torch.zeros_like(alphas)
    first[int(shares.gt(0).nonzero()[0])] = 1.0
    mean = first if length < tolerance else alphas / length
    for _ in range(int(settings.number("rounds"))):
        cosines = (table @ mean).clamp(-1, 1)
        angles = cosines.acos()
        factors = torch.where(angles < tolerance, 0.0, alphas * angles / angles.sin())
        tangent = factors - (factors * cosines).sum() * mean
        if _length(tangent, table) < tolerance:
            break
        mean = _walk(mean, tangent, table)
        mean = mean / _length(mean, table)
    return mean


SLERP = MethodSpec(
    id="slerp",
    label="SLERP",
    family="Averages",
    summary="Go from one model to another along the great circle, which keeps their norm.",
    idea="A straight line between two directions passes closer to zero; the arc does not.",
    formula="θ = sin((1-t)φ)/sin φ · θ₁ + sin(tφ)/sin φ · θ₂",
    source=SHOEMAKE,
    merge=slerp,
    params=(T, LINEAR_ABOVE),
    needs=Needs(base=False, experts=2, most=2),
    space="weights",
    scope=lambda settings: "tensor",
    holds=lambda settings: "",
    dialects={"paper": {}, "mergekit": {}},
    weighted=False,
    symmetric=False,
    order="The way goes from the first expert to the second.",
    idempotent=True,
    differs="Experts of one base are nearly parallel: above a cosine of 0.9995 all "
    "implementations take the straight line, so SLERP of whole weights often is a plain average. "
    "mergekit takes the base model for the first of the two.",
)
NUSLERP = MethodSpec(
    id="nuslerp",
    label="NuSLERP",
    family="Averages",
    summary="SLERP by weights, of the task vectors of two experts or of their whole weights.",
    idea="Task vectors of different skills are often far from parallel, so the arc differs from a "
    "plain mean.",
    formula="θ = θ₀ + slerp(τ₁, τ₂; t = w₂/(w₁+w₂))",
    source=replace(SHOEMAKE, citation="mergekit, nuslerp (after Shoemake 1985)"),
    merge=nuslerp,
    params=(AROUND, FLATTEN),
    needs=Needs(base=False, experts=2, most=2),
    space=around_space,
    scope=lambda settings: "tensor",
    holds=nuslerp_holds,
    dialects={"paper": {}, "mergekit": {}},
    idempotent=True,
    homogeneous=True,
    differs="mergekit turns whole weights when no base model is given; here a setting says so.",
)
MULTISLERP = MethodSpec(
    id="multislerp",
    label="Multi-SLERP",
    family="Averages",
    summary="SLERP of many experts at once: one step in the plane that touches the sphere.",
    idea="Where experts point nearly the same way, one step comes close to the Karcher mean and "
    "needs no rounds.",
    formula="θ = θ₀ + exp(Σ w log τᵢ/|τᵢ|) · Σ w |τᵢ|",
    source=replace(SHOEMAKE, citation="mergekit, multislerp"),
    merge=multislerp,
    params=(AROUND,),
    needs=Needs(base=False),
    space=around_space,
    scope=lambda settings: "tensor",
    holds=lambda settings: "",
    check=check_sum_always,
    dialects={"paper": {}, "mergekit": {}},
    idempotent=True,
    homogeneous=True,
    differs="mergekit turns whole weights when no base model is given; here a setting says so.",
)
KARCHER = MethodSpec(
    id="karcher",
    label="Karcher mean",
    family="Averages",
    summary="The point of the sphere whose squared angles to all experts are least.",
    idea="The straight mean of directions that part is too short; this one keeps the mean of the "
    "experts' norms.",
    formula="θ = argmin_m Σ w ∠(m, θᵢ)² · Σ w |θᵢ|",
    source=Source("Karcher 1977, Riemannian center of mass"),
    merge=karcher,
    params=(ROUNDS, TOLERANCE),
    needs=Needs(base=False),
    space="weights",
    scope=lambda settings: "tensor",
    holds=lambda settings: "",
    check=check_shares,
    dialects={"paper": {}, "mergekit": {}},
    idempotent=True,
    cost="one pass over the weights, with a few rounds of inner products per tensor",
    differs="mergekit gives every model the same weight; here weights may differ.",
)
