"""Find good settings: a study proposes, every proposal is a real merge, the front grows."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from merging.errors import RecipeError
from merging.jobs import Report, ResultCache
from merging.methods.params import Param
from merging.recipe import Recipe
from merging.search.asked import seed_of, whole_number
from merging.search.axis import Axis, parameter_axis
from merging.search.pace import Clock, Ended, OutOfTime, Pace, ended_by, part
from merging.search.pareto import best_mean, pareto, simplest_within_noise
from merging.search.points import Answers, Bench, Measure, Point
from merging.search.proposals import Study
from merging.search.source import Source, in_turn, taken
from merging.search.sweep import CHOOSING, reported

START = "the settings it began with"
MOST_TRIALS = 500
ROUND = 4  # proposals between two looks at what became of them
MOST_REPEATS = 30  # known proposals in a row: the ranges are exhausted


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """A search at one moment.

    Attributes:
        recipe: Where it started.
        axes: What it may change.
        points: Proposals that are done, on the tuning half, in order; failed ones say why. The
            first is the recipe as it stands.
        own: What each task's own expert answers there.
        front: Places in ``points`` that no other beats on every task.
        best: Place of the best mean share, or None.
        simplest: Place of the simplest that is not clearly worse; only when it has ended.
        ended: "" while it runs; ``complete`` after all trials, or stopped by the ``budget`` or
            ``cancelled``.
        spent: Seconds it has taken.
        seconds: A point takes.
        chosen: The best point on the reporting half; None before and when cancelled.
    """

    recipe: Recipe
    axes: tuple[Axis, ...]
    points: tuple[Point, ...] = ()
    own: Answers = field(default_factory=dict)
    front: tuple[int, ...] = ()
    best: int | None = None
    simplest: int | None = None
    ended: Ended = ""
    spent: float = 0.0
    seconds: float = 0.0
    chosen: Point | None = None


def search_space(recipe: Recipe, weights: bool = False, advanced: bool = False) -> tuple[Axis, ...]:
    """Return what a search may change: the method's parameters, and with ``weights`` those too.

    Parameters that mean nothing with these settings, texts and those of single experts stay.

    Args:
        recipe: Where it starts.
        weights: Whether the weight of each expert is searched as well.
        advanced: Whether settings are searched that the page folds away.

    Raises:
        RecipeError: There is nothing to change.
    """
    spec = recipe.spec
    free = [p for p in spec.active(recipe.settings()) if _searchable(p, advanced)]
    axes = [parameter_axis(recipe, p.name) for p in free]
    if weights and spec.weighted:
        axes += [parameter_axis(recipe, "weight", expert=e.id) for e in recipe.experts]
    if not axes:
        raise RecipeError(f"{spec.label} has no settings to search. Choose another method.")
    return tuple(axes)


def optimise(
    recipe: Recipe,
    report: Report,
    *,
    measure: Measure,
    axes: Sequence[Axis] | None = None,
    seed: int = 0,
    trials: int = MOST_TRIALS,
    results: ResultCache | None = None,
    on_point: Callable[[SearchResult], None] = lambda result: None,
    budget_seconds: float = 60.0,
    clock: Clock = time.monotonic,
    source: Source | None = None,
) -> SearchResult:
    """Search settings that do well on every task, on the tuning half only.

    Axes give ranges: numbers are proposed between the ends of an axis on the steps of its control,
    words among its values. Proposals come in rounds of four, which another source of answers may
    score side by side: what is proposed next depends on all answers of a round and not on which
    came first. The best mean is scored once on the reporting half at the end. Equal seeds and
    numbers of trials propose the same, wherever they are scored. Other arguments as of ``sweep``.

    Args:
        recipe: Where it starts; its own settings are the first proposal.
        report: Called with the share done and a word; it may raise ``Cancelled``.
        measure: Merges and scores.
        axes: What may change, by default ``search_space``.
        seed: Of the proposals, from 0 to 2**32 - 1.
        trials: Most points, all different, from 1 to 500.
        results: Keeps answers.
        on_point: Called with the state after each point.
        budget_seconds: After so many seconds no point goes on.
        clock: Seconds; a test may bring its own.

    Raises:
        RecipeError: There is nothing to change.
        ParameterError: Seed or trials are out of range.
        MergeError: The own experts cannot be scored.
    """
    seed, trials = seed_of(seed), whole_number("trials", trials, 1, MOST_TRIALS)
    pace = Pace(budget_seconds, clock)
    kept = results if results is not None else ResultCache(2 * MOST_TRIALS)
    chosen = tuple(axes) if axes is not None else search_space(recipe)
    if not chosen:
        raise RecipeError("axes is empty; name at least one setting that may change.")
    bench = Bench(measure, kept, pace)
    run = _Search(SearchResult(recipe, chosen), bench, on_point, source or in_turn(measure))
    ended = ended_by(
        lambda: run.propose(seed, trials, pace.within(part(report, 0, CHOOSING))),
        lambda: run.choose(part(report, CHOOSING, 1)),
    )
    return run.tell(ended=ended)


class _Search:
    """A search at work."""

    def __init__(
        self,
        state: SearchResult,
        bench: Bench,
        on_point: Callable[[SearchResult], None],
        source: Source,
    ) -> None:
        self.state, self.bench, self._on_point, self._source = state, bench, on_point, source

    def tell(self, **changes: Any) -> SearchResult:
        """Change the state and show it."""
        pace = self.bench.pace
        self.state = replace(self.state, spent=pace.spent, seconds=pace.seconds, **changes)
        self._on_point(self.state)
        return self.state

    def propose(self, seed: int, trials: int, report: Report) -> None:
        """Take one round after another; raises as ``report`` and when the budget is spent."""
        recipe, axes, pace = self.state.recipe, self.state.axes, self.bench.pace
        first = self._take([Point(START, recipe)], report)
        study = Study(seed, recipe, axes, sorted(self.state.own))
        study.know(first[0])
        seen = {recipe.key(): first[0]}
        repeats = 0
        while len(self.state.points) < trials:
            if not pace.fits:
                raise OutOfTime("The next point would not fit the budget.")
            asked = [study.next() for _ in range(min(ROUND, trials - len(self.state.points)))]
            fresh = {_key(blank): blank for blank in asked if _key(blank) not in seen}
            repeats = 0 if fresh else repeats + len(asked)
            if repeats > MOST_REPEATS:
                return
            done = max(len(seen) / trials, min(1.0, pace.spent / max(pace.budget, 1e-9)))
            scored = self._take(list(fresh.values()), part(report, done, done))
            seen |= zip(fresh, scored, strict=True)
            study.tell([seen[_key(blank)] for blank in asked])

    def _take(self, blanks: list[Point], report: Report) -> list[Point]:
        """Score proposals and show each as it comes; return them in the order they were made."""
        before, done = self.state.points, dict[int, Point]()
        with closing(taken(blanks, self.bench, self._source, report)) as found:
            for points in found:
                own = self.bench.own("tuning", report)
                done |= {place: point.judged(own) for place, point in points}
                shown = (*before, *(done[place] for place in sorted(done)))
                self.tell(points=shown, own=own, front=pareto(shown), best=best_mean(shown))
        return [done[place] for place in range(len(blanks))]

    def choose(self, report: Report) -> None:
        """Mark the simplest within noise and score the best on the reporting half."""
        self.tell(simplest=simplest_within_noise(self.state.points, self.state.own))
        if self.state.best is not None:
            found = reported(self.state.points[self.state.best], self.bench, report)
            self.tell(chosen=found)


def _key(blank: Point) -> str:
    return blank.recipe.key() if blank.recipe else blank.settings


def _searchable(param: Param, advanced: bool) -> bool:
    words = isinstance(param.default, str) and not param.choices
    return not (words or param.own or (param.advanced and not advanced))
