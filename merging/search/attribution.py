"""Which part of a merged model costs which task: the base's weights put back, block by block."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, get_args

from torch import Tensor

from merging.engine import Outcome
from merging.errors import Cancelled
from merging.evaluation import Comparison, compare
from merging.jobs import Report, ResultCache
from merging.recipe import Recipe
from merging.search.asked import known_name
from merging.search.blocks import Block, By, blocks_of, reverted, size_of_change
from merging.search.pace import Clock, Ended, OutOfTime, Pace, ended_by, part
from merging.search.points import Answers, Bench, Measure, told

MERGING = 0.1  # share of the work before the first block


class ModelMeasure(Measure, Protocol):
    """A measure that also scores models; ``SetMeasure`` does."""

    def merge(self, recipe: Recipe, report: Report) -> Outcome:
        """Merge a recipe."""
        ...

    def answers(self, outcome: Outcome, half: str, report: Report) -> Answers:
        """Return which items a merged model answers correctly."""
        ...

    def base_weights(self) -> Mapping[str, Tensor]:
        """Return the weights of the base."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What putting the base's weights back in one block does, on the tuning half.

    Attributes:
        block: Which.
        correct: Per task which items are answered correctly then.
        change: The model with the block put back against the merged one: ``change.tasks[t][1]``
            is the paired change of task t as share of its own expert's accuracy, above 0 where
            the task gains, that is where the block as merged costs it. None when it failed.
        error: Why there is no answer, or "".
    """

    block: Block
    correct: Answers = field(default_factory=dict)
    change: Comparison | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class AttributionResult:
    """An attribution at one moment.

    Attributes:
        recipe: What was merged.
        blocks: All there are, in the order of the grid.
        effects: Those that are done, in the order they were done.
        merged: What the merged model answers; empty before it was scored.
        own: What each task's own expert answers.
        ended: "" while it runs; ``complete``, or stopped by the ``budget`` or ``cancelled``.
        spent: Seconds it has taken.
        seconds: A block takes.
    """

    recipe: Recipe
    blocks: tuple[Block, ...] = ()
    effects: tuple[Effect, ...] = ()
    merged: Answers = field(default_factory=dict)
    own: Answers = field(default_factory=dict)
    ended: Ended = ""
    spent: float = 0.0
    seconds: float = 0.0


def attribute(
    recipe: Recipe,
    report: Report,
    *,
    measure: ModelMeasure,
    by: By = "cell",
    results: ResultCache | None = None,
    on_block: Callable[[AttributionResult], None] = lambda result: None,
    budget_seconds: float = 60.0,
    clock: Clock = time.monotonic,
) -> AttributionResult:
    """Put each block of a merged model back to the base, one at a time, and score what is left.

    The model is merged once. The largest changes come first, so that a budget that ends early has
    what matters most. Reporting items are never looked at. Arguments as of ``sweep``.

    Args:
        recipe: What to merge.
        report: Called with the share done and a word; it may raise ``Cancelled``.
        measure: Merges and scores.
        by: Size of the blocks.
        results: Keeps answers for the next time.
        on_block: Called with the state after the merged model and after each block.
        budget_seconds: After so many seconds no block goes on.
        clock: Seconds; a test may bring its own.

    Raises:
        UnknownNameError: ``by`` is no size of blocks.
        MergeError: The recipe cannot be merged or scored.
    """
    known_name("size of blocks", by, get_args(By))
    pace = Pace(budget_seconds, clock)
    kept = results if results is not None else ResultCache(512)
    run = _Attribution(recipe, measure, Bench(measure, kept, pace), on_block)
    told = pace.within(report)

    def blocks() -> None:
        run.revert(run.merge(by, part(told, 0, MERGING)), part(told, MERGING, 1))

    return run.tell(ended=ended_by(blocks))


def blocks_left(recipe: Recipe, by: By, measure: Measure, results: ResultCache) -> int | None:
    """Return how many blocks of a recipe have no answer yet; None where it was never begun.

    Args:
        recipe: What would be merged.
        by: Size of the blocks.
        measure: Says which items.
        results: Of earlier attributions.
    """
    begun: tuple[Block, ...] | None = results.get(_key(measure, recipe, by))
    if begun is None:
        return None
    return sum(results.get(_key(measure, recipe, one.tensors)) is None for one in begun)


def _key(measure: Measure, recipe: Recipe, what: object) -> Any:
    return measure.mark("tuning"), recipe.key(), "reverted", what


class _Attribution:
    """An attribution at work."""

    def __init__(
        self,
        recipe: Recipe,
        measure: ModelMeasure,
        bench: Bench,
        on_block: Callable[[AttributionResult], None],
    ) -> None:
        self.recipe, self.measure, self.bench, self._on_block = recipe, measure, bench, on_block
        self.state = AttributionResult(recipe, own=bench.known_own())

    def tell(self, **changes: Any) -> AttributionResult:
        """Change the state and show it."""
        pace = self.bench.pace
        self.state = replace(self.state, spent=pace.spent, seconds=pace.seconds, **changes)
        self._on_block(self.state)
        return self.state

    def merge(self, by: By, report: Report) -> Outcome:
        """Merge once, and score that and the own experts."""
        outcome = self.measure.merge(self.recipe, part(report, 0, 0.5))
        merged = self.bench.known(self.recipe)
        if merged is None:
            merged = self.measure.answers(outcome, "tuning", part(report, 0.5, 0.8))
            self.bench.keep(self.recipe, merged)
        own = self.bench.own("tuning", part(report, 0.8, 1))
        blocks = blocks_of(outcome, by)
        self.bench.results.put(_key(self.measure, self.recipe, by), blocks)
        self.tell(blocks=blocks, merged=merged, own=own)
        return outcome

    def revert(self, outcome: Outcome, report: Report) -> None:
        """Put back one block after another, the largest change first."""
        base, blocks = self.measure.base_weights(), self.state.blocks
        size = {block: size_of_change(outcome, base, block) for block in blocks}
        ordered = sorted(blocks, key=lambda block: -size[block])
        for index, block in enumerate(ordered):
            if not self.bench.pace.fits:
                raise OutOfTime("The next block would not fit the budget.")
            here = part(report, index / len(blocks), (index + 1) / len(blocks))
            here(0, f"put back {block.label}")
            effect = self._effect(outcome, base, block, size[block] == 0, here)
            self.tell(effects=(*self.state.effects, effect))

    def _effect(
        self,
        outcome: Outcome,
        base: Mapping[str, Tensor],
        block: Block,
        same: bool,
        report: Report,
    ) -> Effect:
        key = _key(self.measure, self.recipe, block.tensors)
        found: Answers | None = self.state.merged if same else self.bench.results.get(key)
        begin = self.bench.pace.spent
        try:
            if found is None:
                changed = reverted(outcome, base, block.tensors)
                found = self.measure.answers(changed, "tuning", report)
                self.bench.pace.note(self.bench.pace.spent - begin)
        except Cancelled:
            raise
        except Exception as error:
            return Effect(block, error=f"{block.label}: {told(error)}")
        self.bench.results.put(key, found)
        return Effect(block, found, compare(found, self.state.merged, self.state.own))
