"""Fisher-weighted averaging: weigh every weight of every model by how sure the model is of it."""

import torch
from torch import Tensor
from torch.linalg import vector_norm

from merging.errors import CompatibilityError, RecipeError
from merging.methods.average import check_shares
from merging.methods.context import Context, Pieces
from merging.methods.kernels import per_expert
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source

FLOOR = Param(
    name="floor",
    label="Floor",
    default=1e-6,
    origin="Matena and Raffel 2022; MergeLM: 1e-6",
    help="Least precision, so that weights nobody is sure of are averaged.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 1e-4),
    step=1e-7,
    advanced=True,
)
FLOOR_RULE = Param(
    name="floor_rule",
    label="Floor applies",
    default="first",
    origin="Matena and Raffel 2022, code: at least the floor, for the first (target) model",
    help="At least the floor for the first model or for all, or the floor added for all.",
    choices=("first", "all", "add"),
    advanced=True,
)
NORMALIZE = Param(
    name="normalize",
    label="Same total precision",
    default=True,
    origin="Matena and Raffel 2022, code",
    help="Divide each model's precisions by their length, so that none is louder as a whole.",
    advanced=True,
)


def precisions(ctx: Context, like: Tensor) -> Tensor:
    """Return the experts' Fisher diagonals of one tensor, shape (experts, *shape).

    Raises:
        RecipeError: An expert has none.
        CompatibilityError: One has another shape, or holds a negative number.
    """
    found = []
    for expert in ctx.experts:
        given = ctx.statistics.get("fisher", expert, ctx.tensor) if ctx.statistics else None
        if given is None:
            raise RecipeError(
                f"Fisher averaging needs the Fisher diagonal of {ctx.tensor} for {expert}. "
                "Measure it on data first."
            )
        if given.shape != like.shape or bool((given < 0).any()):
            raise CompatibilityError(
                f"The Fisher diagonal of {ctx.tensor} for {expert} does not fit: it must have the "
                "tensor's shape and no negative number."
            )
        found.append(given.to(like))
    return torch.stack(found)


def totals(pieces: Pieces) -> tuple[float, ...]:
    """Return the length of each expert's whole Fisher diagonal."""
    squares: list[Tensor] = []
    for ctx, models in pieces():
        diagonal = precisions(ctx, models[0]).reshape(len(models), -1).double()
        squares.append(vector_norm(diagonal, dim=1).square())
    return tuple(float(t) for t in torch.stack(squares).sum(0).sqrt())


def fisher(models: Tensor, ctx: Context) -> Tensor:
    """Average weights by precision.

    Args:
        models: Shape (experts, *shape).
        ctx: Settings ``weight`` per expert (the coefficients), ``floor``, ``floor_rule``,
            ``normalize``; statistic ``fisher``; ``survey`` from ``totals``.

    Returns:
        Σ c F θ / Σ c F elementwise, shape (*shape). Where every F is zero and no floor lifts it,
        the average by coefficients.

    Source:
        Matena and Raffel 2022, arXiv:2111.09832, equation 3; floor ``add`` and its
        normalisation as in MergeLM.
    """
    settings, lengths = ctx.settings, ctx.survey
    assert isinstance(lengths, tuple)
    found, floor = precisions(ctx, models[0]), settings.number("floor")
    rule = settings.word("floor_rule")
    coefficients = list(settings.each["weight"])
    if settings.flag("normalize"):
        coefficients = _normalised(coefficients, lengths, floor if rule == "add" else 0.0)
    if rule == "add":
        found = found + floor
    elif rule == "all":
        found = found.clamp_min(floor)
    else:
        found = torch.cat([found[:1].clamp_min(floor), found[1:]])
    plain = per_expert(settings.each["weight"], models)
    shares = found * per_expert(coefficients, models)
    bottom = shares.sum(0)
    average = (models * plain).sum(0) / sum(settings.each["weight"])
    merged = (models * shares).sum(0) / torch.where(bottom == 0, 1.0, bottom)
    return torch.where(bottom == 0, average, merged)


def _normalised(coefficients: list[float], lengths: tuple[float, ...], added: float) -> list[float]:
    """Divide coefficients by the lengths; with ``added`` the shares then sum to 1 (MergeLM)."""
    inverse = [1 / (n + added) if n + added > 0 else 0.0 for n in lengths]
    if added:
        inverse = [i / sum(inverse) for i in inverse]
    return [c * i for c, i in zip(coefficients, inverse, strict=True)]


FISHER = MethodSpec(
    id="fisher",
    label="Fisher averaging",
    family="With data",
    summary="Weigh every weight of every model by its Fisher information: how sure it is of it.",
    idea="Where a model's predictions depend most on a weight, its own value prevails.",
    formula="θ = Σ w·Fᵢ·θᵢ / Σ w·Fᵢ",
    source=Source("Matena and Raffel 2022, Merging models with Fisher-weighted averaging",
                  "2111.09832"),
    merge=fisher,
    params=(NORMALIZE, FLOOR, FLOOR_RULE),
    needs=Needs(base=False, data="fisher"),
    space="weights",
    scope=lambda settings: "model",
    holds=lambda settings: "it weighs by Fisher diagonals of whole tensors",
    survey=totals,
    check=check_shares,
    dialects={"paper": {}, "fusion_bench": {"floor_rule": "add"}},
    symmetric=False,
    order="The floor can act on the first model alone.",
    idempotent=True,
    cost="one backward pass per example and class, before merging",
    differs="The authors floor the first model only; MergeLM and fusion_bench add the floor to "
    "all and sum squared gradients of whole batches, which is not the Fisher diagonal.",
)  # fmt: skip
