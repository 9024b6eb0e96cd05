"""DAREx-q: DARE with a smaller make-up factor, for extreme drop rates."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from merging.errors import CompatibilityError, RecipeError
from merging.methods import arithmetic, dare
from merging.methods.average import check_sum
from merging.methods.context import Context, Settings
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Source

RULE = Param(
    name="rule",
    label="Take q from",
    default="given",
    origin="Deng et al. 2024: one q found on validation data, or q per layer from the inputs",
    help="One divisor for all layers, or one per layer from the mean inputs of the layer.",
    choices=("given", "inputs"),
    advanced=True,
)
Q = Param(
    name="q",
    label="Divisor q",
    default=0.25,
    origin="ours: between 1 - p = 0.1 (DARE) and 1; the paper searches it",
    help="What is kept is divided by q. 1 - p is DARE; larger q is calmer.",
    minimum=0.001,
    maximum=1.0,
    slider=(0.01, 1.0),
    symbol="q",
)
ETA = Param(
    name="eta",
    label="Step η",
    default=0.5,
    origin="Deng et al. 2024, commands: 0.3 to 1.0",
    help="For q from the inputs: how strongly the kept changes act on the bound.",
    minimum=0.001,
    maximum=10.0,
    slider=(0.1, 2.0),
    advanced=True,
)
SURE = Param(
    name="sure",
    label="Confidence γ",
    default=0.95,
    origin="Deng et al. 2024: 0.95",
    help="For q from the inputs: with which confidence the bound holds.",
    minimum=0.5,
    maximum=0.9999,
    slider=(0.5, 0.99),
    advanced=True,
)
NEVER = Param(
    name="never_drop",
    label="Never drop in",
    default="classifier",
    origin="Deng et al. 2024, code",
    help="Tensors whose name contains this text are neither dropped nor scaled; empty is none.",
    advanced=True,
)


def analytic_q(
    effects: Tensor, drop_rate: float, eta: float, sure: float, stop: float = 0.8
) -> Tensor:
    """Return the divisor of every row that makes a bound on its output change least.

    Args:
        effects: c_ij = δ_ij · mean input x_j, shape (rows, columns); any float type, computed in
            float64.
        drop_rate: p, above 0 and below 1.
        eta: Step η of the bound, above 0.
        sure: Confidence γ of the bound.
        stop: The search ends when this share of the rows has stopped improving.

    Returns:
        q per row, on a grid of 0.001 from 1 - p to below 0.999; shape (rows,), float64.

    Source:
        Deng et al. 2024, arXiv:2410.09344. The published code computes in float16, where rounding
        ends its search too early; this is the same search in float64.
    """
    c = effects.double()
    keep = 1 - drop_rate
    even = abs(drop_rate - 0.5) < 1e-12
    phi = 0.5 if even else (1 - 2 * drop_rate) / math.log(keep / drop_rate)
    sums, squares = c.sum(1), c.square().sum(1)
    slack = math.log(2 / (1 - sure))
    best = torch.full_like(sums, math.inf)
    found = torch.full_like(sums, keep)
    steps = round((0.999 - keep) / 0.001)
    for step in range(max(1, steps)):
        q = keep + 0.001 * step
        bound = eta * (1 - keep / q) * sums + eta**2 * phi * squares / (4 * q * q) + slack
        better = bound.abs() < best
        best = torch.where(better, bound.abs(), best)
        found = torch.where(better, q, found)
        if float((~better).double().mean()) >= stop:
            break
    return found


def drop_and_divide(deltas: Tensor, ctx: Context) -> Tensor:
    """Drop entries as DARE does and divide the rest by q.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``drop_rate`` per expert, ``rule``, ``q``, ``eta``, ``sure``, ``never_drop``;
            masks; for q from inputs the statistic ``inputs`` of each expert, shape (columns,).

    Returns:
        m τ / q, same shape. Tensors without a layer's inputs are divided by 1 - p, as in DARE.

    Raises:
        RecipeError: q from the inputs, and none were measured.
        CompatibilityError: The mean inputs do not fit the layer.

    Source:
        Deng et al. 2024, arXiv:2410.09344.
    """
    settings, never = ctx.settings, ctx.settings.word("never_drop")
    if never and never in ctx.tensor:
        return deltas
    done = []
    rates = settings.each["drop_rate"]
    for delta, expert, rate in zip(deltas, ctx.experts, rates, strict=True):
        mask = ctx.masks.keep(ctx.tensor, expert, ctx.start, delta.numel(), rate)
        sparse = delta * mask.view(torch.int8).to(delta.device).reshape(delta.shape)
        done.append(sparse / _divisor(delta, ctx, expert, rate))
    return torch.stack(done)


def _divisor(delta: Tensor, ctx: Context, expert: str, rate: float) -> float:
    settings = ctx.settings
    if settings.word("rule") == "given":
        return settings.number("q")
    if ctx.statistics is None:
        raise RecipeError(
            "q from the inputs needs the mean inputs of the layers. Measure them on data first, "
            "or choose rule: given."
        )
    means = ctx.statistics.get("inputs", expert, ctx.tensor)
    if means is None or delta.dim() != 2 or rate <= 0:
        return 1 - rate
    if means.numel() != delta.shape[1]:
        raise CompatibilityError(
            f"{ctx.tensor} of {expert} has {delta.shape[1]} inputs, but mean inputs for "
            f"{means.numel()} are given. Measure them on this model."
        )
    effects = delta.double() * means.double()
    rows = analytic_q(effects, rate, settings.number("eta"), settings.number("sure"))
    return float(rows.mean())


def holds(settings: Settings) -> str:
    """A divisor that is given acts element by element."""
    if settings.word("rule") == "given":
        return ""
    return "it multiplies whole matrices by the mean inputs of their layer"


DAREX = MethodSpec(
    id="darex_q",
    label="DAREx-q",
    family="Task vectors",
    summary="DARE for extreme drop rates: what is kept is scaled up less.",
    idea="At extreme drop rates dividing by 1 - p blows up noise as well; a larger divisor gives "
    "up some signal for less of it.",
    formula="θ = θ₀ + λ Σ w·mᵢ·τᵢ / q",
    source=Source("Deng et al. 2024, DARE the extreme", "2410.09344"),
    sparsify=drop_and_divide,
    merge=arithmetic.weighted_sum,
    params=(
        replace(dare.DROP_RATE, origin="Yu et al. 2023: 0.9; Deng et al. 2024 go to 0.99"),
        Q,
        arithmetic.SUM_SCALE,
        RULE,
        ETA,
        SURE,
        NEVER,
        arithmetic.DIVIDE,
    ),
    shaped=lambda settings: bool(settings.word("never_drop")),
    holds=holds,
    scope=lambda settings: "element" if settings.word("rule") == "given" else "tensor",
    check=check_sum,
    random=True,
    cost="one pass over the weights; q from the inputs also takes mean inputs measured on data "
    "and a search per tensor and expert",
    differs="The published search for q per layer runs in float16 and stops too early; this one "
    "runs in float64. In decoders the authors prune attention and MLP only; here every tensor but "
    "those named.",
)
