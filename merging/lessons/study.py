"""Take the measurements of a lesson: every point a real merge, told as they come."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from merging.errors import EvaluationError
from merging.evaluation import Estimate
from merging.jobs import Report, ResultCache
from merging.lessons.bench import Tools, needed_tasks
from merging.lessons.judge import figures, judge, matches
from merging.lessons.model import Lesson, Line, Outcome, Series
from merging.lessons.samples import Answers, Sample, counted, share_of_own
from merging.recipe import Recipe
from merging.search.pace import Clock, Ended, OutOfTime, Pace, ended_by, part
from merging.search.points import Bench, Point

Spots = tuple[tuple[float, Estimate], ...]
Key = tuple[str, str]
BUDGET = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class LessonResult:
    """A lesson's measurements at one moment.

    Attributes:
        lesson: Id of the lesson.
        done, total: Points.
        lines: Place and figure of the points by now, by series and part: what the chart draws.
        figures: Quantities by name; empty until all is measured.
        outcomes: What became of the claims, by name; empty until then.
        right: Places of the choices that came true.
        ended: "" while it runs; ``complete``, or stopped by the ``budget`` or ``cancelled``.
        seconds: It has taken.
    """

    lesson: str
    done: int = 0
    total: int = 0
    lines: Mapping[Key, Spots] = field(default_factory=dict)
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    right: tuple[int, ...] = ()
    ended: Ended = ""
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """All was measured, so that claims and choices are judged."""
        return self.ended == "complete"


def measure_lesson(
    lesson: Lesson,
    report: Report,
    *,
    tools: Tools | None = None,
    results: ResultCache | None = None,
    on_point: Callable[[LessonResult], None] = lambda result: None,
    budget_seconds: float = BUDGET,
    clock: Clock = time.monotonic,
) -> LessonResult:
    """Measure every point of a lesson on the tuning half, and its best ones on the reporting half.

    What was measured before costs nothing, so that a lesson stopped in the middle goes on there.

    Args:
        lesson: What to measure.
        report: Called with the share done and a word; when it raises ``Cancelled`` the study
            returns with what is done.
        tools: Score and count; by default the bundled sets.
        results: Keeps answers by recipe, half and items, for this and other searches.
        on_point: Called with the state after each point and at the end.
        budget_seconds: After so many seconds no point goes on.
        clock: Seconds; a test may bring its own.

    Raises:
        MergeError: A point cannot be merged or scored; the message names its recipe.
    """
    pace = Pace(budget_seconds, clock)
    kept = results if results is not None else ResultCache(4 * lesson.total)
    run = _Study(lesson, tools or Tools(), kept, pace, on_point)
    return run.end(ended_by(lambda: run.measure(pace.within(report))))


class _Study:
    """A lesson at work."""

    def __init__(
        self,
        lesson: Lesson,
        tools: Tools,
        results: ResultCache,
        pace: Pace,
        on_point: Callable[[LessonResult], None],
    ) -> None:
        self.lesson, self._tools, self._pace, self._on_point = lesson, tools, pace, on_point
        tasks = needed_tasks(lesson, tools.tasks)
        self._benches = {
            name: Bench(tools.measure(name, tasks), results, pace) for name in lesson.sets
        }
        self._samples: dict[Key, list[tuple[float, Sample]]] = {}
        self._best: dict[Key, Sample] = {}
        self.state = LessonResult(lesson.id, total=lesson.total + len(self._chosen()))

    def measure(self, report: Report) -> None:
        """Take all points; raises as ``report`` and when the next would not fit the budget."""
        for series in self.lesson.series:
            for at, recipe in series.points:
                here = self._next(report, series.label)
                for name, sample in self._figures(series, recipe, here):
                    self._samples.setdefault((series.name, name), []).append((at, sample))
                self._tell(done=self.state.done + 1, lines=self._lines())
        for line in self._chosen():
            here = self._next(report, "the best once more on other images")
            self._best[line.key] = self._told_again(line, here)
            self._tell(done=self.state.done + 1)

    def end(self, ended: Ended) -> LessonResult:
        """Judge, where all is there, and show the last state."""
        seconds = self._pace.spent
        if ended != "complete":
            return self._tell(ended=ended, seconds=seconds)
        known = figures(self.lesson, self._samples, self._best)
        told = {name: sample.estimate for name, sample in known.items()}
        outcomes = {claim.name: judge(claim, known) for claim in self.lesson.claims}
        choices = enumerate(self.lesson.choices)
        right = tuple(i for i, choice in choices if matches(choice, told, outcomes))
        return self._tell(
            figures=told, outcomes=outcomes, right=right, ended=ended, seconds=seconds
        )

    def _chosen(self) -> list[Line]:
        """Lines whose best point is told on the reporting half."""
        asked = [q.line for q in self.lesson.quantities if q.operation == "best"]
        return list({line.key: line for line in asked if line is not None}.values())

    def _next(self, report: Report, word: str) -> Report:
        """Return the report of the next point, if it fits the budget."""
        if not self._pace.fits:
            raise OutOfTime("The next point would not fit the budget.")
        begin, total = self.state.done, self.state.total
        report(begin / total, word)
        return part(report, begin / total, (begin + 1) / total)

    def _lines(self) -> dict[Key, Spots]:
        """What the chart draws of the points by now."""
        return {
            line.key: tuple((x, sample.estimate) for x, sample in self._samples[line.key])
            for line in self.lesson.chart.lines
            if line.key in self._samples
        }

    def _figures(
        self, series: Series, recipe: Recipe, report: Report
    ) -> Iterator[tuple[str, Sample]]:
        """Parts of a point and their samples; a part without tasks or weights is left out."""
        if series.kind == "conflict":
            found = self._tools.conflict(recipe)
            for name, figure in (("share", found.share), ("chance", found.chance)):
                if figure is not None:
                    yield name, counted(figure)
            return
        answers, own = self._answers(recipe, "tuning", report)
        for name, tasks in self._tasks(recipe, answers).items():
            sample = share_of_own(answers, own, tasks)
            if sample is not None:
                yield name, sample

    def _tasks(self, recipe: Recipe, answers: Answers) -> dict[str, frozenset[str]]:
        every = frozenset(answers)
        mine = self._tools.tasks(recipe) & every
        return {"held_in": mine, "held_out": every - mine, "all": every}

    def _answers(self, recipe: Recipe, half: str, report: Report) -> tuple[Answers, Answers]:
        """What a recipe answers, and what the own experts do."""
        bench = self._benches[recipe.set or ""]
        known = bench.known_own(half)
        own = known or bench.own(half, part(report, 0, 0.5))
        name = f"{recipe.spec.label} in the set {recipe.set}"
        point = bench.take(Point(name, recipe, half), part(report, 0 if known else 0.5, 1))
        if point.error:
            raise EvaluationError(point.error)
        return point.correct, own

    def _told_again(self, line: Line, report: Report) -> Sample:
        """The point of a line that is highest on the tuning half, on the reporting half."""
        series, found = self.lesson.of_series(line.series), self._samples[line.key]
        at = max(found, key=lambda spot: spot[1].value)[0]
        recipe = series.points[series.place(at)][1]
        answers, own = self._answers(recipe, "reporting", report)
        sample = share_of_own(answers, own, self._tasks(recipe, answers)[line.part])
        assert sample is not None
        return sample

    def _tell(self, **changes: object) -> LessonResult:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        self._on_point(self.state)
        return self.state
