"""What a recipe would do to the weights, answered in milliseconds and without merging to disk.

Exact: every weight counts, through the same kernels as the merge. What can be known before (signs,
sorted magnitudes, hash bits) is kept in memory: a slider's tick reads nothing and sorts nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from merging.analysis import ConflictCount, add_counts, count_conflict
from merging.checkpoints.buckets import Bucket, bucket_of
from merging.methods.kernels import trim_rank
from merging.methods.magnitudes import MeasuredMagnitudes, SortedMagnitudes
from merging.methods.spec import Context, Magnitudes, Settings
from merging.recipe import Recipe
from merging.sketch.tables import DeltaTables


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
        length: Norm of the merged delta over the mean norm of the experts' task vectors.
    """

    key: str
    cells: dict[Bucket, ConflictCount]
    whole: ConflictCount
    experts: tuple[ExpertPreview, ...]
    length: float


_Piece = tuple[Context, Tensor, Tensor]


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
        whole = _whole_magnitudes(tables, recipe, rows)
        pieces = list(_pieces(tables, recipe, rows, whole))
        survey = _survey(recipe, pieces, whole)
        parts = [_answer(tables, recipe, rows, survey, piece) for piece in pieces]
    kept, energy = sum(p.kept for p in parts), sum(p.energy for p in parts)
    cells = {
        bucket: add_counts(p.count for p in parts if p.bucket == bucket)
        for bucket in sorted({p.bucket for p in parts})
    }
    norms = tables.norms(rows)
    return Preview(
        key=recipe.key(),
        cells=cells,
        whole=add_counts(cells.values()),
        experts=_experts(tables, recipe, kept / tables.changes(rows), energy / norms.square()),
        length=sum(p.moved for p in parts) ** 0.5 / float(norms.mean()),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What one tensor adds to the answer."""

    bucket: Bucket
    count: ConflictCount
    kept: Tensor
    energy: Tensor
    moved: float


def _answer(
    tables: DeltaTables, recipe: Recipe, rows: tuple[int, ...], survey: object, piece: _Piece
) -> _Part:
    context, deltas, sparse = piece
    context = replace(context, survey=survey)
    name = context.tensor
    mask = _mask(recipe, context, sparse)
    signs = tables.signs(name, rows)
    if mask is None:
        kept, energy = tables.changed(name, rows).double(), tables.squares(name, rows)
    else:
        signs = signs * mask.view(torch.int8)
        kept = signs.abs().sum(1, dtype=torch.int32).double()
        energy = (deltas * mask).square_().sum(1).double()
    count = count_conflict(signs * _votes(recipe.settings()))
    moved = _moved(tables, recipe, context, sparse)
    return _Part(bucket_of(name), count, kept, energy, moved)


def _survey(recipe: Recipe, pieces: list[_Piece], whole: Magnitudes | None) -> object:
    """What the method has to know of the whole model before it merges, as in the merge."""
    if recipe.spec.survey is None or whole is None:
        return None
    return recipe.spec.survey(lambda: ((context, sparse) for context, _, sparse in pieces))


def _pieces(
    tables: DeltaTables,
    recipe: Recipe,
    rows: tuple[int, ...],
    whole: Magnitudes | None,
) -> Iterator[_Piece]:
    spec, settings = recipe.spec, recipe.settings()
    ids = tuple(e.id for e in recipe.experts)
    masks = tables.masks(recipe.seed)
    for name in tables.names:
        deltas = tables.deltas(name, rows)
        magnitudes: Magnitudes = whole or SortedMagnitudes(tables.sorted_tensor(name, rows))
        context = Context(name, ids, settings, masks, magnitudes)
        if spec.sparsify is None:
            yield context, deltas, deltas
            continue
        sparse = spec.sparsify(deltas, context)
        if whole is None and spec.keep is not None:
            context = replace(context, magnitudes=MeasuredMagnitudes(sparse))
        yield context, deltas, sparse


def _whole_magnitudes(
    tables: DeltaTables, recipe: Recipe, rows: tuple[int, ...]
) -> Magnitudes | None:
    """Magnitudes over the whole model, of what the trim sees; None where it is not looked at."""
    spec, settings = recipe.spec, recipe.settings()
    if spec.scope(settings) != "model":
        return None
    if spec.sparsify is None or not _trims(settings):
        return SortedMagnitudes(tables.sorted_model(rows))
    ids = tuple(e.id for e in recipe.experts)
    empty = SortedMagnitudes(())
    parts = []
    for name in tables.names:
        context = Context(name, ids, settings, tables.masks(recipe.seed), empty)
        parts.append(spec.sparsify(tables.deltas(name, rows), context))
    return MeasuredMagnitudes(torch.cat(parts, dim=1))


def _mask(recipe: Recipe, context: Context, sparse: Tensor) -> Tensor | None:
    """Which entries survive dropping and trimming; None where both leave everything."""
    spec = recipe.spec
    dropped = None if spec.sparsify is None else sparse != 0
    if spec.keep is None or not _trims(context.settings):
        return dropped
    trimmed = spec.keep(sparse, context)
    return trimmed if dropped is None else trimmed & dropped


def _trims(settings: Settings) -> bool:
    return any(density < 1 for density in settings.each.get("density", ()))


def _votes(settings: Settings) -> Tensor:
    """Sign with which each expert's changes meet the others': that of its weight."""
    weights = torch.tensor(settings.each["weight"]).reshape(-1, 1)
    if settings.common.get("voters") == "unweighted":
        weights = torch.ones_like(weights)
    return weights.sign().to(torch.int8)


def _moved(tables: DeltaTables, recipe: Recipe, context: Context, sparse: Tensor) -> float:
    """Squared length of the merged delta of one tensor."""
    if recipe.spec.space == "deltas":
        merged = recipe.spec.merge(sparse, context)
    else:
        base = tables.base(context.tensor)
        merged = recipe.spec.merge(sparse + base, context) - base
    return float(merged.square().sum())


def _experts(
    tables: DeltaTables, recipe: Recipe, kept: Tensor, energy: Tensor
) -> tuple[ExpertPreview, ...]:
    cuts = _cuts(tables, recipe)
    return tuple(
        ExpertPreview(e.id, min(1.0, float(kept[i])), min(1.0, float(energy[i])), cuts[i])
        for i, e in enumerate(recipe.experts)
    )


def _cuts(tables: DeltaTables, recipe: Recipe) -> list[float | None]:
    """Size of each expert's global cut, where the recipe has one."""
    settings = recipe.settings()
    if recipe.spec.sparsify is not None or settings.common.get("trim_scope") != "global":
        return [None] * len(recipe.experts)
    magnitudes = SortedMagnitudes(tables.sorted_model(tables.rows(e.id for e in recipe.experts)))
    cuts: list[float | None] = []
    for index, density in enumerate(settings.each["density"]):
        dropped = trim_rank(magnitudes.count, density, settings.word("trim_rule"))
        rank = min(dropped + 1, magnitudes.count)
        cuts.append(magnitudes.kth_smallest(index, rank) if dropped else None)
    return cuts
