"""WIDEN: each model owns the columns that it moved most, in length and in direction."""

import torch
from torch import Tensor
from torch.linalg import vector_norm

from merging.methods.context import Context
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Source

RATIO = Param(
    name="ratio",
    label="Above average",
    default=1.0,
    origin="Yu et al. 2024: above_average_value_ratio 1",
    help="Columns that rank above this many times the mean rank are owned in full.",
    minimum=0.0,
    maximum=10.0,
    slider=(0.0, 2.0),
    step=0.05,
)
OWNED = Param(
    name="owned",
    label="Owned columns count",
    default=1.0,
    origin="Yu et al. 2024: score_calibration_value 1",
    help="How much an owned column counts; the others share one between the models.",
    minimum=0.0,
    maximum=10.0,
    slider=(0.0, 2.0),
    step=0.05,
)
EMBEDDINGS = Param(
    name="embeddings",
    label="Embedding tensors",
    default="model.embed_tokens.weight",
    origin="MergeLLM: by exact name",
    help="Names, with commas between, of matrices whose rows are tokens: turned before and after.",
    advanced=True,
)
SHORTEST = 1e-12


def _ranks(moves: Tensor) -> Tensor:
    """Return each column's rank within its model, as a share in [0, 1); ties keep their order."""
    order = moves.argsort(dim=1, stable=True)
    ranks = torch.empty_like(moves)
    steps = torch.arange(moves.shape[1], dtype=moves.dtype, device=moves.device)
    ranks.scatter_(1, order, steps.expand_as(moves).contiguous())
    return ranks / moves.shape[1]


def _scores(moves: Tensor, ctx: Context) -> Tensor:
    """Share a column between the models by softmax; those well above average are owned."""
    average = moves.mean(1, keepdim=True) * ctx.settings.number("ratio")
    shares = moves.softmax(0)
    return torch.where(moves > average, ctx.settings.number("owned"), shares)


def widen(deltas: Tensor, ctx: Context) -> Tensor:
    """Weigh every column of every task vector by how much its model moved that column.

    Args:
        deltas: Shape (experts, *shape). Kernels with more axes are taken as (first axis, rest).
        ctx: ``base`` (*shape); settings ``ratio``, ``owned``, ``embeddings``.

    Returns:
        Σ weight_ij τ_ij with weight = mean of the scores of the ranks of |Δ length| and of
        1 - cos(direction) of column j; vectors by |τ| alone; shape (*shape).

    Source:
        Yu et al. 2024, arXiv:2408.03092, in MergeLLM. Columns of length zero get no direction
        there (0/0); here their direction counts as unmoved.
    """
    assert ctx.base is not None
    if deltas.dim() < 3:
        flat = deltas.reshape(len(deltas), -1)
        return (flat * _scores(flat.abs(), ctx)).sum(0).reshape(deltas.shape[1:])
    named = [name.strip() for name in ctx.settings.word("embeddings").split(",")]
    turned = ctx.tensor in named and deltas.dim() == 3
    base = ctx.base.T if turned else ctx.base.reshape(ctx.base.shape[0], -1)
    stack = deltas.mT if turned else deltas.reshape(*deltas.shape[:2], -1)
    models = stack + base
    lengths, length = vector_norm(models, dim=1), vector_norm(base, dim=0)
    cosines = (models * base).sum(1) / (lengths * length).clamp_min(SHORTEST)
    unmoved = (lengths <= SHORTEST) | (length <= SHORTEST)
    turns = torch.where(unmoved, 0.0, 1 - cosines)
    weights = (_scores(_ranks((lengths - length).abs()), ctx) + _scores(_ranks(turns), ctx)) / 2
    merged = (stack * weights.unsqueeze(1)).sum(0)
    return (merged.T if turned else merged).reshape(deltas.shape[1:])


WIDEN = MethodSpec(
    id="widen",
    label="WIDEN",
    family="Task vectors",
    summary="Let each expert own the columns of every matrix that it moved most.",
    idea="Each model keeps what it moved most for itself, which helps where task vectors differ "
    "much in size.",
    formula="θ = θ₀ + Σ sᵢⱼ·τᵢⱼ,  s from ranks of |Δ|W₍ⱼ₎|| and 1 - cos",
    source=Source("Yu et al. 2024, Extend model merging to pre-trained models", "2408.03092"),
    merge=widen,
    params=(RATIO, OWNED, EMBEDDINGS),
    scope=lambda settings: "tensor",
    holds=lambda settings: "it compares the columns of whole matrices",
    weighted=False,
    cost="one pass over the weights, with two sorts of the columns per matrix and expert",
    differs="The code knows Llama's matrices and vectors only; convolutions are taken here as "
    "matrices of (filters, rest). A column of zeros divides by zero there; here its direction "
    "counts as unmoved.",
)
