"""What a recipe would do to the weights, answered in milliseconds and without merging to disk.

Exact: every weight counts, through the same kernels as the merge. What can be known before (signs,
sorted magnitudes, hash bits) is kept in memory: a slider's tick reads nothing and sorts nothing.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from merging.analysis import ConflictCount, add_counts, count_conflict
from merging.checkpoints.buckets import Bucket
from merging.methods.context import Context, Magnitudes, Settings
from merging.methods.kernels import trim_rank
from merging.methods.magnitudes import MeasuredMagnitudes, ModelMagnitudes, SortedMagnitudes
from merging.recipe import Recipe
from merging.sketch.tables import DeltaTables, Span

_NOTHING = SortedMagnitudes(())
_TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True, slots=True)
class ExpertPreview:
    """One expert under a recipe.

    Attributes:
        expert: Its id.
        kept: Share of its changes (entries that are not zero) that survive, in [0, 1].
        energy: Share of the squared length of its task vector that survives (before rescaling).
        cut: Size below which entries are trimmed over the whole model; None without such a size.
    """

    expert: str
    kept: float
    energy: float
    cut: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The answer for one recipe. All counts are exact.

    Attributes:
        key: Hash of the recipe.
        cells: Conflict by layer x module.
        whole: Conflict over the whole model.
        experts: In computing order.
        length: Norm of the merged delta over the mean norm of the experts' task vectors; None for
            methods on whole models, which only a merge can tell.
    """

    key: str
    cells: dict[Bucket, ConflictCount]
    whole: ConflictCount
    experts: tuple[ExpertPreview, ...]
    length: float | None


def preview(tables: DeltaTables, recipe: Recipe) -> Preview:
    """Answer what a recipe does to the weights of a set.

    Args:
        tables: The set's deltas and what is known of them.
        recipe: Experts must belong to the set.

    Raises:
        UnknownNameError: An expert is not in the set.
    """
    recipe = recipe.ordered()
    rows = tables.rows(e.id for e in recipe.experts)
    with torch.inference_mode():
        pieces = _trimmed(tables, recipe, rows)
        survey = _survey(recipe, pieces)
        parts = [_answer(tables, recipe, rows, p, survey) for p in pieces]
    cells = {
        bucket: add_counts(p.count for p in parts if p.bucket == bucket)
        for bucket in sorted({p.bucket for p in parts})
    }
    return Preview(
        key=recipe.key(),
        cells=cells,
        whole=add_counts(cells.values()),
        experts=_experts(tables, recipe, rows, parts),
        length=None if recipe.spec.whole else _length(tables, rows, parts),
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """One span after dropping and trimming."""

    span: Span
    context: Context
    trimmed: Tensor


@dataclass(frozen=True, slots=True)
class _Part:
    """What one span adds to the answer; ``kept`` and ``energy`` are None for dense methods."""

    bucket: Bucket
    count: ConflictCount
    kept: Tensor | None
    energy: Tensor | None
    moved: float


def _trimmed(tables: DeltaTables, recipe: Recipe, rows: tuple[int, ...]) -> list[_Piece]:
    """Drop and trim, in the largest spans that the method's scope allows."""
    spec, settings = recipe.spec, recipe.settings()
    scope, masks = spec.scope(settings), tables.masks(recipe.seed)
    ids = tuple(e.id for e in recipe.experts)
    names = tuple(span.name for span in tables.tensors)
    by_tensor = scope == "tensor" or spec.shaped(settings)
    dropped: list[tuple[Span, Context, Tensor]] = []
    for span in tables.tensors if by_tensor else tables.buckets:
        deltas = tables.deltas(span, rows).reshape(len(rows), *span.shape)
        base = tables.base(span).reshape(span.shape)
        context = Context(
            span.name, ids, settings, masks, _NOTHING, start=span.start, base=base, names=names
        )
        if spec.sparsify is not None:
            deltas = spec.sparsify(deltas, context)
        dropped.append((span, context, deltas))
    whole = _whole(tables, recipe, rows, [sparse for _, _, sparse in dropped])
    pieces = []
    for span, context, sparse in dropped:
        sizes: Magnitudes = MeasuredMagnitudes(sparse)
        if scope == "model":
            sizes = whole
        elif scope == "tensor" and spec.sparsify is None:
            sizes = SortedMagnitudes(tables.sorted_tensor(span, rows))
        context = replace(context, magnitudes=sizes)
        trimmed = spec.trim(sparse, context) if spec.trim else sparse
        pieces.append(_Piece(span, context, trimmed))
    return pieces


def _whole(
    tables: DeltaTables, recipe: Recipe, rows: tuple[int, ...], sparse: list[Tensor]
) -> Magnitudes:
    """Magnitudes over the whole model, of what the trim sees."""
    if recipe.spec.sparsify is None:
        return SortedMagnitudes(tables.sorted_model(rows))
    return ModelMagnitudes(
        lambda expert: torch.cat([s[expert].flatten() for s in sparse]), tables.count
    )


def _survey(recipe: Recipe, pieces: list[_Piece]) -> object:
    """What the method has to know of the whole model before it merges, as in the merge."""
    spec = recipe.spec
    if spec.survey is None or spec.scope(recipe.settings()) != "model":
        return None
    return spec.survey(lambda: ((p.context, p.trimmed) for p in pieces))


def _answer(
    tables: DeltaTables, recipe: Recipe, rows: tuple[int, ...], piece: _Piece, survey: object
) -> _Part:
    span, trimmed = piece.span, piece.trimmed.reshape(len(rows), -1)
    deltas, votes = tables.deltas(span, rows), _votes(recipe.settings())
    if recipe.spec.sparsify is None and recipe.spec.trim is None:
        signs, kept, energy = tables.signs(span, rows), None, None
    else:
        survivors = trimmed.sign()
        signs = survivors.to(torch.int8)
        kept = signs.abs().sum(1, dtype=torch.int32)
        energy = torch.linalg.vector_norm(survivors.mul_(deltas), dim=1).double().square()
    count = count_conflict(signs * votes)
    context = replace(piece.context, survey=survey)
    moved = 0.0 if recipe.spec.whole else _moved(recipe, piece.trimmed, context)
    return _Part(span.bucket, count, kept, energy, moved)


def _votes(settings: Settings) -> Tensor:
    """Sign with which each expert's changes meet the others': that of its weight."""
    weights = torch.tensor(settings.each["weight"]).reshape(-1, 1)
    if settings.common.get("voters") == "unweighted":
        weights = torch.ones_like(weights)
    return weights.sign().to(torch.int8)


def _moved(recipe: Recipe, trimmed: Tensor, context: Context) -> float:
    """Squared length of the merged delta of one span."""
    last = recipe.spec.merge
    assert last is not None
    if recipe.spec.space_of(recipe.settings()) == "deltas":
        merged = last(trimmed, context)
    else:
        assert context.base is not None
        merged = last(trimmed + context.base, context) - context.base
    return float(merged.square().sum())


def _length(tables: DeltaTables, rows: tuple[int, ...], parts: list[_Part]) -> float:
    mean = float(tables.norms(rows).mean())
    return float(sum(p.moved for p in parts) ** 0.5 / mean) if mean else 0.0


def _experts(
    tables: DeltaTables, recipe: Recipe, rows: tuple[int, ...], parts: list[_Part]
) -> tuple[ExpertPreview, ...]:
    """Shares of each expert's changes and of their squared length that survive."""
    kept = energy = torch.ones(len(rows), dtype=torch.float64)
    if any(p.kept is not None for p in parts):
        changes, squares = tables.changes(rows), tables.norms(rows).square()
        kept = sum(p.kept for p in parts if p.kept is not None) / changes.clamp_min(1)
        energy = sum(p.energy for p in parts if p.energy is not None) / squares.clamp_min(_TINY)
    cuts = _cuts(tables, recipe, rows)
    return tuple(
        ExpertPreview(e.id, float(kept[i]), min(1.0, float(energy[i])), cuts[i])
        for i, e in enumerate(recipe.experts)
    )


def _cuts(tables: DeltaTables, recipe: Recipe, rows: tuple[int, ...]) -> list[float | None]:
    """Size of each expert's global cut, where the recipe has one."""
    settings = recipe.settings()
    if recipe.spec.sparsify is not None or settings.common.get("trim_scope") != "global":
        return [None] * len(recipe.experts)
    magnitudes = SortedMagnitudes(tables.sorted_model(rows))
    cuts: list[float | None] = []
    for index, density in enumerate(settings.each["density"]):
        dropped = trim_rank(magnitudes.count, density, settings.word("trim_rule"))
        rank = min(dropped + 1, magnitudes.count)
        cuts.append(magnitudes.kth_smallest(index, rank) if dropped else None)
    return cuts
