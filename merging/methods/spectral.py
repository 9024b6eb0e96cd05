"""Merges in the space of singular vectors: TSV-Merge, Iso-C and Iso-CTS."""

from dataclasses import replace

import torch
from torch import Tensor

from merging.methods.arithmetic import SCALE
from merging.methods.context import Context
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Source

COMMON = Param(
    name="common",
    label="Common share",
    default=0.8,
    origin="Marczak et al. 2025: 0.8",
    help="Share of the singular directions that is taken from the sum; tasks divide the rest.",
    minimum=0.0,
    maximum=1.0,
    symbol="f",
)


def _triplets(matrix: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest singular triplets: (rows, k), (k,), (k, columns)."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    return u[:, :count], s[:count], v[:count]


def _polar(matrix: Tensor) -> Tensor:
    """Return the nearest matrix with orthonormal columns or rows."""
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    product: Tensor = u @ v
    return product


def tsv(deltas: Tensor, ctx: Context) -> Tensor:
    """Give each task a share of the rank and decorrelate the tasks' singular vectors.

    Args:
        deltas: Shape (experts, *shape). Matrices only; anything else is averaged.
        ctx: Setting ``scale``.

    Returns:
        λ U' diag(S) V' from the int(min(rows, columns)/experts) largest triplets of each task,
        U' and V' the polar factors of the concatenated vectors; shape (*shape).

    Source:
        Gargiulo et al. 2025, arXiv:2412.00081.
    """
    scale = ctx.settings.number("scale")
    if deltas.dim() != 3:
        return deltas.mean(0) * scale
    rank = min(deltas.shape[1:]) // len(deltas)
    if rank == 0:
        return torch.zeros_like(deltas[0])
    parts = [_triplets(delta, rank) for delta in deltas]
    u, s, v = (
        torch.cat([p[0] for p in parts], 1),
        torch.cat([p[1] for p in parts]),
        torch.cat([p[2] for p in parts], 0),
    )
    return _polar(u) @ (s.unsqueeze(1) * _polar(v)) * scale


def iso_c(deltas: Tensor, ctx: Context) -> Tensor:
    """Flatten the spectrum of the summed task vectors.

    Args:
        deltas: Shape (experts, *shape). Matrices only; anything else is averaged.
        ctx: Setting ``scale``.

    Returns:
        λ mean(S) U V with U S V the SVD of the sum; shape (*shape).

    Source:
        Marczak et al. 2025, arXiv:2502.04959, Iso-C.
    """
    scale = ctx.settings.number("scale")
    if deltas.dim() != 3:
        return deltas.mean(0) * scale
    u, s, v = torch.linalg.svd(deltas.sum(0), full_matrices=False)
    merged: Tensor = s.mean() * (u @ v) * scale
    return merged


def iso_cts(deltas: Tensor, ctx: Context) -> Tensor:
    """Flatten the spectrum of common directions and of directions that one task alone has.

    Args:
        deltas: Shape (experts, *shape). Matrices only; anything else is averaged.
        ctx: Settings ``common`` and ``scale``.

    Returns:
        λ mean(S) U' V', shape (*shape): the c largest triplets of the sum, and of each task the
        (r - c)/T largest of what lies outside them; c is rounded so that the tasks divide r - c.

    Source:
        Marczak et al. 2025, arXiv:2502.04959, Iso-CTS.
    """
    scale = ctx.settings.number("scale")
    if deltas.dim() != 3:
        return deltas.mean(0) * scale
    tasks, rank = len(deltas), min(deltas.shape[1:])
    common = int(rank * ctx.settings.number("common"))
    each = round((rank - common) / tasks)
    common = max(0, rank - each * tasks)
    u, s, v = _triplets(deltas.sum(0), common)
    outside = [_triplets(delta - u @ (u.T @ delta), each) for delta in deltas]
    left = torch.cat([*(p[0] for p in outside), u], 1)
    middle = torch.cat([*(p[1] for p in outside), s])
    right = torch.cat([*(p[2] for p in outside), v], 0)
    merged: Tensor = middle.mean() * (_polar(left) @ _polar(right)) * scale
    return merged


_SEARCHED = replace(SCALE, origin="ours; Marczak et al. 2025 choose it on validation data")
_COST = "singular value decompositions of every matrix"
_MARCZAK = Source("Marczak et al. 2025, No task left behind", "2502.04959")
TSV = MethodSpec(
    id="tsv_m",
    label="TSV-Merge",
    family="Spectral",
    summary="Give each task its share of every matrix's rank and make the shares orthogonal.",
    idea="A layer's change has low rank, so tasks can share its directions without standing in "
    "each other's way.",
    formula="Δ = U'·diag(S)·V',  top r/T triplets of each τᵢ, made orthogonal",
    source=Source("Gargiulo et al. 2025, Task singular vectors", "2412.00081"),
    merge=tsv,
    params=(replace(SCALE, origin="Gargiulo et al. 2025: 1"),),
    scope=lambda settings: "tensor",
    holds=lambda settings: "it takes the SVD of whole matrices",
    dialects={"paper": {}, "fusion_bench": {}},
    weighted=False,
    homogeneous=True,
    cost=_COST,
    differs="The authors leave tensors named text_projection out of it; here every matrix takes "
    "part. Other tensors are averaged, and a matrix with fewer rows or columns than there are "
    "tasks stays as in the base.",
)
ISO_C = MethodSpec(
    id="iso_c",
    label="Iso-C",
    family="Spectral",
    summary="Add the task vectors and make all singular values of the sum equal.",
    idea="A few large singular values belong to the dominant tasks; once all are equal, the "
    "others are heard too.",
    formula="Δ = λ·mean(S)·U·V,  U S V = SVD(Στᵢ)",
    source=_MARCZAK,
    merge=iso_c,
    params=(_SEARCHED,),
    scope=lambda settings: "tensor",
    holds=lambda settings: "it takes the SVD of whole matrices",
    dialects={"paper": {}, "fusion_bench": {}},
    weighted=False,
    homogeneous=True,
    cost=_COST,
    differs="Matrices are summed, everything else is averaged; both are then scaled. The authors "
    "choose λ on validation data.",
)
ISO_CTS = MethodSpec(
    id="iso_cts",
    label="Iso-CTS",
    family="Spectral",
    summary="Iso-C with some directions kept for what only one task has.",
    idea="Common directions crowd out what one task has alone; a share of the rank is set aside "
    "for that.",
    formula="Δ = λ·mean(S)·[U₁..U_T U_c]'·[V₁..V_T V_c]'",
    source=_MARCZAK,
    merge=iso_cts,
    params=(_SEARCHED, COMMON),
    scope=lambda settings: "tensor",
    holds=lambda settings: "it takes the SVD of whole matrices",
    dialects={"paper": {}, "fusion_bench": {}},
    weighted=False,
    homogeneous=True,
    cost=_COST,
    differs="Matrices are summed, everything else is averaged; both are then scaled. The authors "
    "choose λ on validation data.",
)
