"""KnOTS: low-rank task vectors in one shared output basis, merged there by TIES."""

from dataclasses import replace

import torch
from torch import Tensor

from merging.methods import ties
from merging.methods.arithmetic import SCALE
from merging.methods.context import Context, Merged, Models
from merging.methods.magnitudes import MeasuredMagnitudes
from merging.methods.masks import HashMasks
from merging.methods.spec import MethodSpec, Source

SMALLEST = 1e-5


def shared_basis(deltas: Tensor) -> tuple[Tensor, Tensor]:
    """Express the deltas of one matrix in the left singular vectors of them all side by side.

    Args:
        deltas: Shape (experts, rows, columns).

    Returns:
        Basis U (rows, k) and coefficients (experts, k, columns), of singular values above 1e-5,
        computed in float64; U @ coefficients[i] is deltas[i] up to what was cut.

    Source:
        Stoica et al. 2024, arXiv:2410.19735, equation 2.
    """
    experts, rows, columns = deltas.shape
    side = deltas.double().transpose(0, 1).reshape(rows, experts * columns)
    u, s, v = torch.linalg.svd(side, full_matrices=False)
    kept = s > SMALLEST
    coefficients = (s[kept].unsqueeze(1) * v[kept]).reshape(-1, experts, columns)
    return u[:, kept], coefficients.transpose(0, 1)


def knots(models: Models) -> Merged:
    """Merge coefficients in shared bases by TIES over the whole model, and go back.

    Tensors with other than two axes go into the same TIES as they are.

    Source:
        Stoica et al. 2024, arXiv:2410.19735, with TIES.
    """
    bases: dict[str, Tensor] = {}
    parts: dict[str, Tensor] = {}
    for index, name in enumerate(models.names):
        models.tell(0.8 * index / len(models.names), f"align {name}")
        stack = torch.stack([models.delta(i, name) for i in range(len(models.experts))])
        parts[name] = stack
        if stack.dim() == 3:
            bases[name], parts[name] = shared_basis(stack)
    flat = torch.cat([p.reshape(len(p), -1).double() for p in parts.values()], 1)
    context = Context(
        tensor="all",
        experts=models.experts,
        settings=models.settings,
        masks=HashMasks(0),
        magnitudes=MeasuredMagnitudes(flat),
    )
    merged = ties.consensus(ties.trimmed(flat, context), context)
    return Merged(_back(models, merged, parts, bases))


def _back(
    models: Models, merged: Tensor, parts: dict[str, Tensor], bases: dict[str, Tensor]
) -> dict[str, Tensor]:
    done: dict[str, Tensor] = {}
    sizes = [part[0].numel() for part in parts.values()]
    for (name, part), piece in zip(parts.items(), torch.split(merged, sizes), strict=True):
        delta = piece.reshape(part.shape[1:])
        base = models.base(name)
        change = bases[name] @ delta if name in bases else delta
        done[name] = base + change.to(base.dtype)
    return done


KNOTS = MethodSpec(
    id="knots_ties",
    label="KnOTS + TIES",
    family="Spectral",
    summary="Align low-rank task vectors in one basis per matrix, then merge by TIES there.",
    idea="LoRA task vectors hardly line up entry by entry; in a shared basis their signs can be "
    "compared.",
    formula="[τ₁ … τₙ] = U·[X₁ … Xₙ];  Δ = λ·U·TIES(X₁ … Xₙ)",
    source=Source("Stoica et al. 2024, Model merging with SVD to tie the knots", "2410.19735"),
    whole=knots,
    params=(
        replace(ties.DENSITY, default=1.0, origin="Stoica et al. 2024: topK 100 for Llama"),
        replace(SCALE, default=0.5, origin="Stoica et al. 2024: 0.5 for Llama"),
        *ties.ELECTED,
        ties.TRIM_RULE,
        replace(ties.TRIM_SCOPE, choices=("global",)),
    ),
    scope=lambda settings: "model",
    check=ties.check,
    cost="a singular value decomposition of all experts' deltas side by side, per matrix; all "
    "task vectors are in memory",
    differs="Meant for LoRA: full-rank deltas share no small basis, and the method is then TIES "
    "in rotated coordinates.",
)
