"""A recipe carried out on a sketch: by marks where that is the same, else by kernels on each part.

The methods' own kernels do the merging in both; what survives in the TIES and DARE families is
known from tables without them.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from merging.methods.context import Context, Settings
from merging.methods.kernels import elect
from merging.methods.masks import HashMasks
from merging.recipe import Recipe
from merging.sketch.by_kernels import through_kernels
from merging.sketch.columns import (
    THIN_RUN,
    WIDE_RUN,
    Columns,
    Floats,
    Planes,
    Run,
    columns_of,
    pack,
    thin_of,
)
from merging.sketch.compact import Consensus, Elected, consensus_of, merge_run, turned
from merging.sketch.counting import Counted, count_planes
from merging.sketch.flatness import works_flat
from merging.sketch.model import Sketch
from merging.sketch.survivors import Survival, survival
from merging.sketch.threads import both
from merging.sketch.values import NOTHING, Values, join_values, positive, sums_of, votes


@dataclass(frozen=True, slots=True)
class Worked:
    """What a recipe does on a sketch, by part.

    Attributes:
        counted: Over all columns.
        values: Over the thin columns; None where only a merge can tell. They are those of a
            positive λ.
        sign: Of λ: -1, 0 or 1.
        dense: Every change is kept.
        slack: Largest relative error of a kept share because a cut was looked up.
    """

    counted: Counted
    values: Values | None
    sign: int
    dense: bool
    slack: float = 0.0

    @property
    def merged(self) -> Floats | None:
        """The merged delta at the thin columns, shape (columns,); None if only a merge can tell."""
        return None if self.values is None else self.values.merged * np.float32(self.sign)


def carry_out(sketch: Sketch, recipe: Recipe) -> Worked:
    """Do to the sampled deltas what a merge would do to all.

    Args:
        sketch: Of the models.
        recipe: Ordered.

    Raises:
        UnknownNameError: An expert is not in the sketch.
    """
    rows = sketch.rows(e.id for e in recipe.experts)
    wide, thin = columns_of(sketch, rows), columns_of(thin_of(sketch), rows)
    settings, spec = recipe.settings(), recipe.spec
    _, sign = positive(settings)
    known = survival(wide, recipe)
    if known is not None:
        also = known if thin is wide else survival(thin, recipe)
        # Two long jobs: short ones would pass the interpreter's lock to and fro all the time.
        counted, values = both(
            lambda: count_planes(wide, _marked(wide, known), votes(settings)),
            lambda: _values(thin, recipe, also),
        )
        return Worked(counted, values, sign, False, known.slack)
    dense = spec.sparsify is None and spec.trim is None
    if spec.whole is not None or not (sketch.whole or works_flat(recipe)):
        counted = count_planes(wide, wide.signs, votes(settings))
        return Worked(counted, None, sign, True)
    if dense and spec.scope(settings) == "element" and not spec.shaped(settings):
        counted = count_planes(wide, wide.signs, votes(settings))
        return Worked(counted, _values(thin, recipe, None), sign, True)
    counted, values = through_kernels(wide, recipe)
    return Worked(counted, values, sign, dense)


def _marked(columns: Columns, known: Survival) -> list[tuple[Planes, Planes]]:
    """Planes of the surviving deltas of every group."""
    planes = []
    for group, (up, down) in zip(columns.groups, columns.signs, strict=True):
        runs = group.runs(len(columns.rows), WIDE_RUN)
        packed = [pack(known.marks(columns, run)) for run in runs]
        kept = packed[0] if len(packed) == 1 else np.concatenate(packed, axis=1)
        planes.append((kept & up, kept & down))
    return planes


def _values(columns: Columns, recipe: Recipe, known: Survival | None) -> Values:
    """Merge all columns in long runs, or part by part where kernels look at one tensor."""
    settings = recipe.settings()
    majority = settings.common.get("zero_sign") == "majority"
    surveyed = majority and recipe.spec.scope(settings) == "model"
    how = consensus_of(recipe)
    if how is not None:
        tie = None if majority else 1.0
        found = _compactly(columns, recipe, known, how, surveyed, tie)
    else:
        alone = recipe.spec.shaped(settings) or (majority and not surveyed)
        found = _by_kernels(columns, recipe, known, surveyed, alone)
    if positive(settings)[1]:
        return found
    still = np.zeros(len(found.moved2))
    return replace(found, moved2=still, moved4=still)


def _compactly(
    columns: Columns,
    recipe: Recipe,
    known: Survival | None,
    how: Consensus,
    surveyed: bool,
    tie: float | None,
) -> Values:
    """Merge by ``merging.sketch.compact``.

    Where the model decides tied votes, its last decision is the guess; runs with such votes are
    done again when it was wrong.
    """
    runs = [run for group in columns.groups for run in group.runs(len(columns.rows), THIN_RUN)]
    round_about = turned(recipe.settings())
    guess = columns.guess if surveyed else tie

    def merge(run: Run, tie: float | None) -> Elected:
        return merge_run(*_survived(columns, known, run), how, tie, round_about)

    found = [merge(run, guess) for run in runs]
    if surveyed:
        weights = np.array([part.count / part.sampled for part in columns.parts])
        balance = float(np.concatenate([f.balance for f in found]) @ weights)
        columns.guess = right = float((balance > 0) - (balance < 0))
        if right != guess:
            found = [
                merge(run, right) if old.tied else old for run, old in zip(runs, found, strict=True)
            ]
    return join_values(f.values for f in found)


def _by_kernels(
    columns: Columns, recipe: Recipe, known: Survival | None, surveyed: bool, alone: bool
) -> Values:
    """Merge by the method's own kernels."""
    settings = recipe.settings()
    lasting, sign = positive(settings)
    most = 1 if alone else THIN_RUN
    runs = [run for group in columns.groups for run in group.runs(len(columns.rows), most)]
    found = (_survived(columns, known, run) for run in runs)
    survived = list(found) if known is None else [_copied(*pair) for pair in found]
    tie = _tie(survived, lasting) if surveyed else None

    def merge(item: tuple[Run, tuple[Floats, Floats]]) -> Values:
        run, (kept, made) = item
        merged = _merge(columns, recipe, lasting, run, made, tie)
        return sums_of(kept, made, merged, settings, sign)

    return join_values(map(merge, zip(runs, survived, strict=True)))


def _survived(columns: Columns, known: Survival | None, run: Run) -> tuple[Floats, Floats]:
    if known is None:
        whole = run.view(columns.deltas)
        return whole, whole
    return known.values(columns, run, known.marks(columns, run))


def _copied(kept: Floats, made: Floats) -> tuple[Floats, Floats]:
    """Take survivors out of memory that is used again."""
    own = kept.copy()
    return own, own if made is kept else made.copy()


def _tie(survived: list[tuple[Floats, Floats]], settings: Settings) -> float:
    """The sign that prevails over the model, that of ``merging.methods.ties.balance``."""
    weights = settings.each["weight"]
    weighted = settings.word("voters") == "weighted"

    def balance(item: tuple[Floats, Floats]) -> float:
        made = torch.from_numpy(item[1])
        if weighted:
            made = made * torch.tensor(weights).reshape(-1, 1, 1)
        return float(elect(made, settings.word("election")).sum(dtype=torch.float64))

    total = sum(map(balance, survived))
    return float((total > 0) - (total < 0))


def _merge(
    columns: Columns, recipe: Recipe, settings: Settings, run: Run, made: Floats, tie: float | None
) -> Floats:
    """The merged delta of a run, shape (parts, width)."""
    spec, part = recipe.spec, columns.parts[run.parts.start]
    assert spec.merge is not None
    base = torch.from_numpy(columns.base[run.columns])
    context = Context(
        tensor=part.tensor,
        experts=tuple(e.id for e in recipe.experts),
        settings=settings,
        masks=HashMasks(recipe.seed),
        magnitudes=NOTHING,
        survey=None if tie is None else torch.tensor(tie),
        base=base,
        names=columns.sketch.names,
    )
    stack = torch.from_numpy(made).reshape(len(made), -1)
    if spec.space_of(settings) == "deltas":
        merged = spec.merge(stack, context)
    else:
        merged = spec.merge(stack + base, context) - base
    found: Floats = merged.numpy().reshape(made.shape[1:])
    return found
