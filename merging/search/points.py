"""A point of a search: a recipe, what it answered on which half, and how good that is."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from merging.errors import Cancelled, MergeError
from merging.evaluation import Bits, Estimate, normalised, wilson
from merging.jobs import Report, ResultCache
from merging.recipe import Recipe
from merging.search.pace import Pace

log = logging.getLogger(__name__)

Answers = Mapping[str, Bits]


class Measure(Protocol):
    """What scores recipes; ``SetMeasure`` does so for a bundled set."""

    def mark(self, half: str) -> str:
        """Return what identifies the items of a half, for caches."""
        ...

    def score(self, recipe: Recipe, half: str, report: Report) -> Answers:
        """Merge a recipe and return which items it answers correctly; ``report`` may raise."""
        ...

    def own(self, half: str, report: Report) -> Answers:
        """Return the same of each task's own expert."""
        ...

    def base(self, half: str, report: Report) -> Answers:
        """Return the same of the base."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One recipe of a search; a point equals itself only.

    Attributes:
        settings: What is special about it, in words: "λ = 0.3".
        recipe: None where the settings make no recipe.
        half: ``tuning`` or ``reporting``.
        at: Its place on the grid of a sweep.
        correct: Per task which items it answered correctly, shape (items,); empty when it failed.
        accuracy: Per task the share of them, with Wilson interval.
        shares: Per task the accuracy divided by that of the task's own expert, with bootstrap
            interval; empty until the own experts are known.
        mean: Mean of the shares, or None.
        seconds: It took to merge and score; 0 when it was known already.
        error: Why there are no answers, in words; "" where there are.
    """

    settings: str
    recipe: Recipe | None
    half: str = "tuning"
    at: tuple[int, ...] = ()
    correct: Answers = field(default_factory=dict)
    accuracy: Mapping[str, Estimate] = field(default_factory=dict)
    shares: Mapping[str, Estimate] = field(default_factory=dict)
    mean: Estimate | None = None
    seconds: float = 0.0
    error: str = ""

    @property
    def cached(self) -> bool:
        """Whether it was known already."""
        return not self.error and self.seconds == 0

    def answered(self, correct: Answers, own: Answers, seconds: float) -> "Point":
        """Return the point with its answers; without ``own`` its shares stay empty."""
        accuracy = {t: wilson(int(bits.sum()), len(bits)) for t, bits in correct.items()}
        found = replace(self, correct=correct, accuracy=accuracy, seconds=seconds)
        return found.judged(own)

    def judged(self, own: Answers) -> "Point":
        """Return the point as shares of what each task's own expert answers."""
        if self.error or not own or self.mean is not None:
            return self
        shares, mean = normalised(self.correct, own)
        return replace(self, shares=shares, mean=mean)

    def failed(self, error: BaseException) -> "Point":
        """Return the point with the reason why it has no answers, its settings named."""
        return replace(self, error=f"{self.settings}: {told(error)}")


def told(error: BaseException) -> str:
    """Return in words why something failed, and log what was not meant to happen."""
    if isinstance(error, MergeError):
        return str(error)
    log.error("a point of a search failed", exc_info=error)
    return "memory ran out." if isinstance(error, MemoryError) else "something broke on our side."


class Bench:
    """Takes points from the cache, or merges and scores them and keeps their answers."""

    def __init__(self, measure: Measure, results: ResultCache, pace: Pace) -> None:
        """Take points by a measure.

        Args:
            measure: Scores recipes.
            results: Answers by recipe key and half.
            pace: Told what each point takes.
        """
        self.measure, self.results, self.pace = measure, results, pace

    def known(self, recipe: Recipe, half: str = "tuning") -> Answers | None:
        """Return answers that are kept, or None."""
        found: Answers | None = self.results.get((self.measure.mark(half), recipe.key()))
        return found

    def keep(self, recipe: Recipe, answers: Answers, half: str = "tuning") -> None:
        """Keep answers."""
        self.results.put((self.measure.mark(half), recipe.key()), answers)

    def known_own(self, half: str = "tuning") -> Answers:
        """Return what the own experts answer if it is kept, else nothing."""
        return self.results.get((self.measure.mark(half), "own")) or {}

    def own(self, half: str, report: Report) -> Answers:
        """Return what each task's own expert answers, measured once.

        Raises:
            MergeError: It cannot be measured.
        """
        found = self.known_own(half)
        if not found:
            found = self.measure.own(half, report)
            self.results.put((self.measure.mark(half), "own"), found)
        return found

    def base(self, half: str, report: Report) -> Answers:
        """Return what the base answers, measured once.

        Raises:
            MergeError: It cannot be measured.
        """
        mark = (self.measure.mark(half), "base")
        found: Answers = self.results.get(mark) or {}
        if not found:
            found = self.measure.base(half, report)
            self.results.put(mark, found)
        return found

    def take(self, point: Point, report: Report) -> Point:
        """Return a point with its answers, or with the reason why there are none.

        Raises:
            Cancelled: As raised by ``report``; the point is lost then.
        """
        if point.error or point.recipe is None:
            return point
        own = self.known_own(point.half)
        answers = self.known(point.recipe, point.half)
        if answers is not None:
            return point.answered(answers, own, 0.0)
        begin = self.pace.spent
        try:
            answers = self.measure.score(point.recipe, point.half, report)
        except Cancelled:
            raise
        except Exception as error:
            return point.failed(error)
        seconds = self.pace.spent - begin
        if point.half == "tuning":
            self.pace.note(seconds)
        self.keep(point.recipe, answers, point.half)
        return point.answered(answers, own, seconds)
