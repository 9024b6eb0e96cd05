"""OPCM: merge experts one after another, adding only what lies outside what is merged already."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vector_norm

from merging.errors import CompatibilityError
from merging.methods.context import Merged, Models, Settings
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Source

ALPHA = Param(
    name="alpha",
    label="Protected share α",
    default=0.5,
    origin="Tang et al. 2025: 0.5",
    help="The directions that carry this share of the singular values so far are protected.",
    minimum=0.0,
    maximum=1.0,
    symbol="α",
)
ZERO_DIAGONAL = Param(
    name="zero_diagonal",
    label="Also clear the diagonal",
    default=False,
    origin="Tang et al. 2025, published code: not cleared (it fills a copy)",
    help="Clear the main diagonal of the projected delta too, as fusion_bench does.",
    advanced=True,
)
MATRICES = Param(
    name="matrices",
    label="Linear layers",
    default="",
    origin="ours: every matrix that is no embedding; the authors ask the module",
    help="Names of the matrices to project, with commas between; empty for all but embeddings.",
    advanced=True,
)

AFTER = Param(
    name="after",
    label="Stop after",
    default=0,
    origin="ours: all of them, as in Tang et al. 2025",
    help="Stop after this many experts; 0 takes all.",
    minimum=0,
    maximum=10_000,
    slider=(0, 10),
    step=1,
    later=True,
)


@dataclass(frozen=True, slots=True)
class Step:
    """The merge after one more expert.

    Attributes:
        expert: Its id.
        scale: λ_t, by which the sum of so far is divided.
        deltas: Merged delta by tensor.
    """

    expert: str
    scale: float
    deltas: dict[str, Tensor]


def outside(merged: Tensor, delta: Tensor, alpha: float, zero_diagonal: bool) -> Tensor:
    """Return the part of a delta outside the dominant subspace of what is merged.

    Args:
        merged: M, shape (rows, columns).
        delta: τ, same shape.
        alpha: Share of the singular values of M that is protected.
        zero_diagonal: Clear the diagonal of the coefficients too.

    Returns:
        U Q V^T with Q = U^T τ V and Q[:r, :r] = 0, where r counts the directions before the
        cumulated share passes α; τ itself where M is zero. Same shape.

    Source:
        Tang et al. 2025, arXiv:2501.09522, equation of the projection, in the authors' code.
    """
    u, s, v = torch.linalg.svd(merged, full_matrices=True)
    if float(s.sum()) == 0:
        return delta
    above = (s.cumsum(0) / s.sum() > alpha).nonzero()
    rank = int(above[0]) if len(above) else 0
    coefficients = u.T @ delta @ v.T
    coefficients[:rank, :rank] = 0
    if zero_diagonal:
        coefficients.diagonal().fill_(0)
    found: Tensor = u @ coefficients @ v
    return found


def sequence(models: Models) -> Iterator[Step]:
    """Yield the merge after each expert, in the order of the recipe, ``after`` of them at most.

    Only one model's deltas and the merge so far are held.

    Raises:
        CompatibilityError: The setting ``matrices`` names a tensor that is not there.
    """
    named = _named(models.settings.word("matrices"), models.names)
    chosen = models.experts[: int(models.settings.number("after")) or None]
    settings, names = models.settings, models.names
    merged: dict[str, Tensor] = {}
    scale, lengths = 1.0, 0.0
    for index, expert in enumerate(chosen):
        squares = grown = 0.0
        for place, name in enumerate(names):
            done = (index + place / len(names)) / len(chosen)
            models.tell(done, f"add {expert}: {name}")
            delta = models.delta(index, name)
            squares += float(vector_norm(delta).double().square())
            if index:
                known = merged[name]
                projected = delta.dim() == 2 and (name in named if named else "emb" not in name)
                new = _outside(known, delta, settings) if projected else delta
                delta = scale * known + new
            merged[name] = delta
            grown += float(vector_norm(delta).double().square())
        lengths += squares**0.5
        scale = grown**0.5 / (lengths / (index + 1)) if index and lengths else 1.0
        if index and scale > 0:
            merged = {name: delta / scale for name, delta in merged.items()}
        yield Step(expert, scale, dict(merged))


def _outside(merged: Tensor, delta: Tensor, settings: Settings) -> Tensor:
    return outside(merged, delta, settings.number("alpha"), settings.flag("zero_diagonal"))


def _named(chosen: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a comma-separated text, all of which must be there."""
    found = tuple(part.strip() for part in chosen.split(",") if part.strip())
    strange = [name for name in found if name not in names]
    if strange:
        raise CompatibilityError(
            f"matrices names {strange[0]!r:.80}, which the models do not have. "
            "Leave it empty for every matrix that is no embedding."
        )
    return found


def opcm(models: Models) -> Merged:
    """Merge experts one after another; see ``sequence`` for the steps between.

    The notes tell the order and λ of each step.

    Source:
        Tang et al. 2025, arXiv:2501.09522.
    """
    deltas: Mapping[str, Tensor] = {}
    told = []
    for step in sequence(models):
        deltas = step.deltas
        told.append(f"{step.expert} (λ {step.scale:.4g})")
    note = "merged in this order: " + ", ".join(told)
    tensors = {name: models.base(name) + delta for name, delta in deltas.items()}
    return Merged(tensors, notes=dict.fromkeys(models.names, note))


OPCM = MethodSpec(
    id="opcm",
    label="OPCM",
    family="Spectral",
    summary="Merge experts as they arrive, adding only what is new, at constant length.",
    idea="The dominant directions of what is merged are protected, so that a new expert disturbs "
    "the earlier ones less.",
    formula="Mₜ = (λₜ₋₁·Mₜ₋₁ + P(τₜ)) / λₜ,  |Mₜ| = mean|τₛ|",
    source=Source("Tang et al. 2025, Merging models on the fly without retraining", "2501.09522"),
    whole=opcm,
    params=(ALPHA, AFTER, ZERO_DIAGONAL, MATRICES),
    scope=lambda settings: "model",
    dialects={"paper": {}, "fusion_bench": {"zero_diagonal": True}},
    weighted=False,
    symmetric=False,
    homogeneous=True,
    cost="a full singular value decomposition of every matrix for each expert after the first",
    differs="The authors' code means to clear the diagonal but fills a copy; fusion_bench clears "
    "it; the paper's formula sums over i ≠ j, a third form. The authors' code passes over "
    "parameters that lie directly on a module with submodules; here they are added like all "
    "others.",
)
