"""RegMean: for each linear layer the weights whose outputs best match every expert's."""

import torch
from torch import Tensor

from merging.errors import CompatibilityError, RecipeError
from merging.methods.context import Context
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source

SHRINK = Param(
    name="shrink",
    label="Off-diagonal kept",
    default=0.9,
    origin="Jin et al. 2023: 0.9 (0.1 for T5)",
    help="Off-diagonal entries of the Gram matrices are multiplied by this.",
    minimum=0.0,
    maximum=1.0,
    aliases=("reduce_nondiag",),
)
RIDGE = Param(
    name="ridge",
    label="Ridge",
    default=0.0,
    origin="ours; 0 as in the paper",
    help="Added to the diagonal of the summed Grams, as a share of its mean, to make them regular.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 0.1),
    step=0.001,
    advanced=True,
)


def regmean(models: Tensor, ctx: Context) -> Tensor:
    """Solve the least squares problem of one linear layer; other tensors are averaged.

    Args:
        models: Weights, shape (experts, outputs, inputs), or any other shape.
        ctx: Settings ``shrink``, ``ridge``; statistic ``gram`` per expert, shape
            (inputs, inputs): the sum of x x^T over the layer's inputs.

    Returns:
        W^T = (Σ G_i)^-1 Σ G_i W_i^T with off-diagonals of G shrunk; by the pseudo-inverse where
        the sum is singular, the average where all Grams are zero. Shape (*shape).

    Raises:
        RecipeError: Nothing was measured.
        CompatibilityError: A Gram matrix does not fit, or only some experts have one.

    Source:
        Jin et al. 2023, arXiv:2212.09849, equation 2 and section 3.2.
    """
    grams = _grams(models, ctx)
    if grams is None or not bool(grams.any()):
        return models.mean(0)
    shrink, size = ctx.settings.number("shrink"), grams.shape[-1]
    eye = torch.eye(size, dtype=grams.dtype, device=grams.device)
    grams = grams * (shrink + (1 - shrink) * eye)
    total = grams.sum(0)
    total = total + eye * (ctx.settings.number("ridge") * total.diagonal().mean())
    wanted = (grams @ models.double().mT).sum(0)
    if int(torch.linalg.matrix_rank(total, hermitian=True)) < size:
        solved: Tensor = torch.linalg.pinv(total, hermitian=True) @ wanted
    else:
        solved = torch.linalg.solve(total, wanted)
    return solved.T.to(models.dtype)


def _grams(models: Tensor, ctx: Context) -> Tensor | None:
    if ctx.statistics is None:
        raise RecipeError(
            "RegMean needs the Gram matrices of the layers' inputs. Measure them on data first."
        )
    found = [ctx.statistics.get("gram", e, ctx.tensor) for e in ctx.experts]
    present = [g for g in found if g is not None]
    if models.dim() != 3 or not present:
        return None
    inputs = models.shape[-1]
    if len(present) < len(found) or any(g.shape != (inputs, inputs) for g in present):
        raise CompatibilityError(
            f"The Gram matrices of {ctx.tensor} do not fit: every expert needs one of "
            f"{inputs} x {inputs}."
        )
    return torch.stack(present).double()


REGMEAN = MethodSpec(
    id="regmean",
    label="RegMean",
    family="With data",
    summary="For each linear layer, the weights whose outputs best match all experts' at once.",
    idea="Least squares have a closed form for each layer: it takes unlabelled inputs, and no "
    "training.",
    formula="Wᵀ = (Σ Gᵢ)⁻¹ Σ Gᵢ·Wᵢᵀ,  Gᵢ = XᵢᵀXᵢ",
    source=Source("Jin et al. 2023, Dataless knowledge fusion", "2212.09849"),
    merge=regmean,
    params=(SHRINK, RIDGE),
    needs=Needs(base=False, data="gram"),
    space="weights",
    scope=lambda settings: "tensor",
    holds=lambda settings: "it solves equations for whole matrices",
    weighted=False,
    idempotent=True,
    unit={"ridge": 0.0},
    cost="one forward pass over unlabelled data, before merging",
    differs="The paper sums over tokens, MergeLM averages, which changes the weight of experts "
    "with different token counts. MergeLM leaves off-diagonal entries as they are unless told "
    "otherwise. A singular sum has no inverse; here the pseudo-inverse is taken.",
)
