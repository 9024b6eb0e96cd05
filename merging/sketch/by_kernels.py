"""A recipe carried out on a sketch by the method's own kernels, part by part. Any method works."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.methods.context import Context, Magnitudes, Settings
from merging.methods.magnitudes import MeasuredMagnitudes, ModelMagnitudes, SortedMagnitudes
from merging.methods.masks import kept
from merging.recipe import Recipe
from merging.sketch.columns import Columns
from merging.sketch.consensus import added, positive
from merging.sketch.loops import add_up
from merging.sketch.parts import Part
from merging.sketch.quantiles import TableMagnitudes, WeighedMagnitudes
from merging.sketch.spots import part_settings
from merging.sketch.tables import Floats, Sums

NOTHING = SortedMagnitudes(())


@dataclass(frozen=True, slots=True)
class ColumnMasks:
    """Keep masks at the sampled elements of one tensor, from remembered hash bits.

    Attributes:
        bits: By expert id, int32, shape (elements,).
    """

    bits: dict[str, Tensor]

    def keep(
        self, tensor: str, expert: str, start: int, count: int, drop_rate: float | Tensor
    ) -> Tensor:
        """Return the mask of a run of what is held; see ``merging.methods.context.Masks``."""
        if not isinstance(drop_rate, Tensor) and drop_rate <= 0:
            return torch.ones(count, dtype=torch.bool)
        return kept(self.bits[expert][start : start + count], drop_rate)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part after dropping and trimming, shapes as of the tensor where it is whole."""

    part: Part
    context: Context
    trimmed: Tensor


def through_kernels(
    columns: Columns,
    recipe: Recipe,
    pinned: NDArray[np.int8],
    change: Floats,
    pieces: list[Piece] | None = None,
) -> Sums:
    """Carry a recipe out; as in ``merging.engine``, on samples where tensors are not whole.

    Args:
        columns: Of the recipe's experts, in its order.
        recipe: Ordered.
        pinned: Signs to compare those of the merged delta with, shape (columns,), or empty.
        change: Gets the merged delta of a positive λ, shape (columns,), or empty.
        pieces: What ``trimmed_pieces`` said already.
    """
    settings, sums = part_settings(columns.sketch, recipe), columns.no_sums()
    with torch.inference_mode():
        pieces = trimmed_pieces(columns, recipe) if pieces is None else pieces
        survey = survey_of(recipe, pieces)
        for index, piece in enumerate(pieces):
            inside = slice(piece.part.start, piece.part.stop)
            sign = positive(settings[index])[1]
            merged = _merged(recipe, piece, survey) * (-1 if sign < 0 else 1)
            own = np.ascontiguousarray(columns.deltas[:, inside]).reshape(-1)
            made, flat = (
                np.ascontiguousarray(t.flatten().numpy()) for t in (piece.trimmed, merged)
            )
            how = added(columns, settings[index])
            add_up(index, own, made, flat, how, pinned[inside], sums)
            if not sign:
                sums.moved2[index] = sums.moved4[index] = 0
            if len(change):
                change[inside] = flat
    return sums


def survey_of(recipe: Recipe, pieces: list[Piece]) -> object:
    """Return what the method finds in all pieces where it looks at the model; else None."""
    spec = recipe.spec
    if spec.survey is None or spec.scope(recipe.settings()) != "model":
        return None
    return spec.survey(lambda: ((p.context, p.trimmed) for p in pieces))


def trimmed_pieces(columns: Columns, recipe: Recipe) -> list[Piece]:
    """Drop and trim part by part; arguments of ``through_kernels``."""
    spec = recipe.spec
    sparse = []
    settings = part_settings(columns.sketch, recipe)
    for part, own in zip(columns.parts, settings, strict=True):
        context, stack = _opened(columns, recipe, part, own)
        if spec.sparsify is not None:
            stack = spec.sparsify(stack, context)
        sparse.append((part, context, stack))
    whole = None
    if spec.scope(recipe.settings()) == "model":
        whole = _over_model(columns, recipe, [stack for _, _, stack in sparse])
    pieces = []
    for part, context, stack in sparse:
        sizes = whole or _of_part(columns, recipe, part, stack)
        context = replace(context, magnitudes=sizes)
        pieces.append(Piece(part, context, spec.trim(stack, context) if spec.trim else stack))
    return pieces


def _opened(
    columns: Columns, recipe: Recipe, part: Part, settings: Settings
) -> tuple[Context, Tensor]:
    """The stack of one part and what kernels may know of it."""
    shape = part.shape if part.whole else (part.sampled,)
    inside = slice(part.start, part.stop)
    ids = tuple(e.id for e in recipe.experts)
    masks = ColumnMasks({})
    if recipe.spec.random:
        bits = columns.bits(recipe.seed)[:, inside]
        masks = ColumnMasks(dict(zip(ids, map(torch.from_numpy, bits), strict=True)))
    context = Context(
        tensor=part.tensor,
        experts=ids,
        settings=positive(settings)[0],
        masks=masks,
        magnitudes=NOTHING,
        base=torch.from_numpy(columns.base[inside]).reshape(shape),
        names=columns.sketch.names,
    )
    stack = torch.from_numpy(columns.deltas[:, inside]).reshape(len(ids), *shape)
    return replace(context, magnitudes=MeasuredMagnitudes(stack)), stack


def _over_model(columns: Columns, recipe: Recipe, sparse: list[Tensor]) -> Magnitudes:
    """Magnitudes over the whole model, of what the trim sees."""
    sketch, rows = columns.sketch, columns.rows
    if recipe.spec.sparsify is None:
        if not sketch.whole:
            return TableMagnitudes(tuple(sketch.model_table(row) for row in rows), sketch.count)
        return SortedMagnitudes([torch.from_numpy(sketch.ordered(row)) for row in rows])
    if sketch.whole:
        return ModelMagnitudes(
            lambda expert: torch.cat([s[expert].flatten() for s in sparse]), sketch.count
        )
    sizes = torch.cat([s.reshape(len(s), -1) for s in sparse], 1).abs()
    weights = np.repeat([p.count / p.sampled for p in sketch.parts], columns.sampled)
    return WeighedMagnitudes(sizes, torch.from_numpy(weights), sketch.count)


def _of_part(columns: Columns, recipe: Recipe, part: Part, stack: Tensor) -> Magnitudes:
    """Magnitudes of one tensor; ranks count what is held, as rules that count ties need it."""
    if part.whole or recipe.spec.sparsify is not None:
        return MeasuredMagnitudes(stack)
    tables = tuple(columns.sketch.table(part, row) for row in columns.rows)
    return TableMagnitudes(tables, part.sampled, stack)


def _merged(recipe: Recipe, piece: Piece, survey: object) -> Tensor:
    """The merged delta of a part."""
    spec, base = recipe.spec, piece.context.base
    assert spec.merge is not None and base is not None
    context = replace(piece.context, survey=survey)
    if spec.space_of(recipe.settings()) == "deltas":
        return spec.merge(piece.trimmed, context)
    return spec.merge(piece.trimmed + base, context) - base
