"""A recipe carried out on a sketch: by compiled loops where that is the same, else by kernels."""

from dataclasses import dataclass, field

import numpy as np
import torch

from merging.recipe import Recipe
from merging.sketch.by_kernels import Piece, through_kernels
from merging.sketch.columns import Columns, Guess, columns_of
from merging.sketch.consensus import added, consensus_of
from merging.sketch.flatness import works_flat
from merging.sketch.loops import ADD, SUM, work_out
from merging.sketch.model import Sketch
from merging.sketch.spots import signs
from merging.sketch.survivors import Decided, decide, everything
from merging.sketch.tables import Consensus, Counts, Floats, Signs, Sums
from merging.sketch.threads import share_out

NO_SIGNS: Signs = np.empty(0, np.int8)
NO_CHANGE: Floats = np.empty(0, np.float32)
FEWEST = 1 << 17
JOBS = 8
MOST_FULL = 8


@dataclass(frozen=True, slots=True)
class Votes:
    """Whose majority settles tied votes.

    Attributes:
        scope: ``model`` for that of all parts, anything else for that of each part.
        key: Of the recipe.
    """

    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class Worked:
    """What a recipe does on a sketch, by part.

    Attributes:
        sums: Those of values are of a positive λ.
        told: Whether values are known; else only a merge can tell.
        sign: Of λ: -1, 0 or 1; of each column where it may differ, shape (columns,).
        dense: Every change is kept.
        slack: Largest relative error of a kept share because a cut was looked up.
        change: The merged delta of a positive λ, where it was asked for, shape (columns,).
        ties: The sign that tied votes took, by part; empty where none was asked for.
        settled: That sign is right, or there was no tied vote; else ``only`` was asked for and
            what ``sums`` tells of parts with tied votes is a guess.
    """

    sums: Sums
    told: bool
    sign: int | Floats
    dense: bool
    slack: float = 0.0
    change: Floats = field(default_factory=lambda: NO_CHANGE)
    ties: Floats = field(default_factory=lambda: NO_CHANGE)
    settled: bool = True

    @property
    def merged(self) -> Floats | None:
        """The merged delta, shape (columns,); None if only a merge can tell."""
        return self.change * np.float32(self.sign) if self.told else None


def carry_out(
    sketch: Sketch,
    recipe: Recipe,
    pinned: Signs = NO_SIGNS,
    change: bool = False,
    pieces: list[Piece] | None = None,
    only: Counts | None = None,
) -> Worked:
    """Do to the sampled deltas what a merge would do to all.

    Args:
        sketch: Of the models.
        recipe: Ordered.
        pinned: Signs to compare those of the merged delta with, shape (columns,), or empty.
        change: Return the merged delta, too.
        pieces: What ``trimmed_pieces`` said already, where kernels are asked.
        only: Indices of the parts that matter, None for all: where the others have no say, their
            sums and merged delta are 0, and majorities may be unknown, see ``Worked.settled``.

    Raises:
        UnknownNameError: An expert is not in the sketch.
    """
    columns = columns_of(sketch, sketch.rows(e.id for e in recipe.experts))
    settings, spec = recipe.settings(), recipe.spec
    sign = signs(columns, recipe)
    dense = spec.sparsify is None and spec.trim is None
    how, decided = consensus_of(columns, recipe), decide(columns, recipe)
    if not tells(sketch, recipe, how):
        return Worked(_all(columns, added(columns, settings)), False, sign, True)
    merged = np.zeros(columns.deltas.shape[1], np.float32) if change else NO_CHANGE
    slack, ties, settled = 0.0, NO_CHANGE, True
    if how is not None and decided is not None:
        majority = settings.common.get("zero_sign") == "majority"
        votes = Votes(spec.scope(settings), recipe.key()) if majority else None
        sums, ties, settled = _work(columns, decided, how, votes, pinned, merged, only)
        slack = decided.slack
    else:
        sums = through_kernels(columns, recipe, pinned, merged, pieces)
    if not recipe.local and not sign:
        for moved in (sums.moved2, sums.moved4):
            moved[:] = 0
    return Worked(sums, True, sign, dense, slack, merged, ties, settled)


def in_loops(sketch: Sketch, recipe: Recipe) -> bool:
    """Return whether a preview of a recipe takes milliseconds, whatever the method's own cost.

    Raises:
        UnknownNameError: An expert is not in the sketch.
    """
    ordered = recipe.ordered()
    columns = columns_of(sketch, sketch.rows(e.id for e in ordered.experts))
    return consensus_of(columns, ordered) is not None and decide(columns, ordered) is not None


def tells(sketch: Sketch, recipe: Recipe, how: Consensus | None) -> bool:
    """Return whether a sketch knows what a recipe merges; else only a merge can tell.

    Args:
        sketch: Of the models.
        recipe: Ordered.
        how: What ``consensus_of`` says of it.
    """
    spec = recipe.spec
    known = how is not None or sketch.whole or works_flat(recipe)
    return spec.whole is None and not spec.needs.data and known


def in_full(columns: Columns) -> Sums:
    """Return the sums where everything survives; of what is merged they say nothing."""

    def make() -> Sums:
        count, parts = len(columns.rows), len(columns.parts)
        ones, each = np.ones(count, np.float32), np.ones(parts, np.float32)
        return _all(columns, Consensus(ones, ones, ADD, True, SUM, each, each))

    found: Sums = columns.sketch.memo.get(("full", columns.rows), make, MOST_FULL)
    return found


def _all(columns: Columns, how: Consensus) -> Sums:
    decided = Decided(columns.held, everything(columns))
    return _work(columns, decided, how, None, NO_SIGNS, NO_CHANGE, None)[0]


def _work(
    columns: Columns,
    decided: Decided,
    how: Consensus,
    votes: Votes | None,
    pinned: Signs,
    merged: Floats,
    only: Counts | None,
) -> tuple[Sums, Floats, bool]:
    """Work parts out; where majorities settle tied votes, again if they were guessed wrong.

    Args:
        votes: How tied votes are settled; None settles them as plus.
        only: The parts that matter, None for all.

    Returns:
        The sums; the sign that tied votes took, by part; whether it is right or did not matter.
    """
    sums, every = columns.no_sums(), np.arange(len(columns.parts))
    guess = columns.guess
    if votes is not None:
        how = how._replace(ties=guess.signs)

    def work(parts: Counts) -> None:
        work_out(parts, decided.held, decided.survival, how, pinned, merged, sums)

    share_out(work, jobs(columns, every if only is None else only))
    if votes is None:
        return sums, NO_CHANGE, True
    if guess.key == votes.key:
        return sums, guess.signs, True
    if only is not None:
        return sums, guess.signs, not sums.tied[only].any()
    right = majorities(columns, sums, votes.scope)
    (wrong,) = np.nonzero((sums.tied > 0) & (right != how.ties))
    columns.guess = Guess(right, votes.key)
    if len(wrong):
        for table in sums:
            table[wrong] = 0
        how = how._replace(ties=right)
        share_out(work, jobs(columns, wrong))
    return sums, right, True


def majorities(columns: Columns, sums: Sums, scope: str) -> Floats:
    """Return the sign that prevails in the votes of the model or of each part, shape (parts,)."""
    balance = sums.balance.astype(np.float64)
    if scope == "model":
        weights = np.array([part.count / part.sampled for part in columns.parts])
        balance[:] = balance @ weights
    return np.sign(balance).astype(np.float32)


def jobs(columns: Columns, parts: Counts) -> list[Counts]:
    """Cut parts into jobs of about as many columns, several for each thread."""
    reached = columns.sampled[parts].cumsum()
    number = min(JOBS * torch.get_num_threads(), int(reached[-1]) * len(columns.rows) // FEWEST)
    if torch.get_num_threads() == 1 or number < 2:
        return [parts]
    edges = np.searchsorted(reached, np.linspace(0, reached[-1], number + 1)[1:-1])
    return [job for job in np.split(parts, edges) if len(job)]
