"""A lesson's measurements: points as they come, stop and go on, budget, what fails."""

from collections.abc import Callable

import numpy as np
import pytest
from test_lesson_read import changed, read
from tiny_measure import Ticks

from merging.analysis import Conflict, ConflictCount
from merging.errors import Cancelled, EvaluationError
from merging.evaluation import Bits
from merging.jobs import Report, ResultCache
from merging.lessons import LessonResult, Tools, fill, measure_lesson
from merging.recipe import Recipe

BEST = changed("is: at, at: 0.5, series", "is: best, series")
SEVERAL = changed("values: [0, 0.5]", "values: [0, 0.5, 1]")


class Tasks:
    """Scores by λ: digits rise with it, fashion and scripts fall; other on the other half."""

    def __init__(self, name: str, tasks: frozenset[str] | None) -> None:
        self.name, self.only, self.scored = name, tasks, []

    def mark(self, half: str) -> str:
        return f"{self.name} {half}"

    def score(self, recipe: Recipe, half: str, report: Report) -> dict[str, Bits]:
        report(0.5, "score")
        at = float(recipe.settings().common["scale"])
        self.scored.append((at, half))
        if at > 1:
            raise EvaluationError("broken on purpose")
        up = 50 + 40 * at - (10 if half == "reporting" else 0)
        count = {"digits": up, "fashion": up, "scripts": 100 - 40 * at}
        return {t: np.arange(100) < round(n) for t, n in count.items()}

    def own(self, half: str, report: Report) -> dict[str, Bits]:
        return dict.fromkeys(("digits", "fashion", "scripts"), np.arange(100) < 100)


def quiet(fraction: float, message: str) -> None:
    assert 0 <= fraction <= 1


def take(text: str, report: Report = quiet, **more: object) -> tuple[LessonResult, Tasks]:
    opened: list[Tasks] = []

    def measure(name: str, tasks: frozenset[str] | None) -> Tasks:
        opened.append(Tasks(name, tasks))
        return opened[-1]

    tools = Tools(measure, no_conflict, lambda r: frozenset(e.id for e in r.experts))
    return measure_lesson(read(text), report, tools=tools, **more), opened[0]


def no_conflict(recipe: Recipe) -> Conflict:
    raise AssertionError("nothing is counted here")


def test_points_become_figures_claims_and_right_choices() -> None:
    result, measure = take(changed("number: 7", "number: 7"))
    assert result.complete and (result.done, result.total) == (2, 2)
    assert measure.scored == [(0.0, "tuning"), (0.5, "tuning")] and measure.only is None
    spots = result.lines["walk", "held_in"]
    assert [(x, e.value) for x, e in spots] == [(0, pytest.approx(0.5)), (0.5, pytest.approx(0.7))]
    assert result.figures["low"].value == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert result.figures["gap"].value == pytest.approx((0.2 + 0.2 - 0.2) / 3)
    assert result.outcomes == {"rises": "held"} and result.right == (0,)
    text = fill("{gap} from {low±}", read(), result.figures)
    assert text.startswith("6.7 points from 66.7 % (95 % interval ")


def test_lines_of_some_tasks_ask_for_these_only() -> None:
    result, measure = take(changed("line: all", "line: held_in"))
    assert measure.only == {"digits", "fashion"}
    assert result.figures["gap"].value == pytest.approx(0.2)


def test_the_best_is_told_on_the_reporting_half() -> None:
    text = BEST.replace("line: all, label: at a half", "line: held_in, label: best")
    result, measure = take(text)
    assert measure.scored[-1] == (0.5, "reporting") and result.total == 3
    assert result.figures["high"].value == pytest.approx(0.6)  # 0.7 on the tuning half


def test_points_are_told_as_they_come() -> None:
    seen: list[LessonResult] = []
    take(changed("number: 7", "number: 7"), on_point=seen.append)
    assert [r.done for r in seen] == [1, 2, 2]
    assert [len(r.lines["walk", "held_in"]) for r in seen] == [1, 2, 2]
    assert [r.ended for r in seen] == ["", "", "complete"]
    assert not seen[1].figures and seen[2].figures


def stop_after(points: int) -> tuple[Report, Callable[[LessonResult], None]]:
    done = [0]

    def report(fraction: float, message: str) -> None:
        if done[0] >= points:
            raise Cancelled("enough")

    def on_point(result: LessonResult) -> None:
        done[0] = result.done

    return report, on_point


def test_a_stopped_lesson_goes_on_where_it_was() -> None:
    kept = ResultCache(50)
    report, on_point = stop_after(2)
    result, _ = take(SEVERAL, report, on_point=on_point, results=kept)
    assert (result.ended, result.done, result.complete) == ("cancelled", 2, False)
    assert not result.figures and not result.outcomes and not result.right
    again, measure = take(SEVERAL, results=kept)
    assert again.complete and measure.scored == [(1.0, "tuning")]


def test_the_budget_ends_it() -> None:
    clock = Ticks()

    def on_point(result: LessonResult) -> None:
        clock.now += 40.0

    result, measure = take(SEVERAL, clock=clock, on_point=on_point)
    assert (result.ended, result.done) == ("budget", 2) and len(measure.scored) == 2


def test_a_point_that_fails_is_named() -> None:
    with pytest.raises(EvaluationError, match="Task arithmetic in the set gentle: broken on"):
        take(changed("values: [0, 0.5]", "values: [0, 0.5, 1.5]"))


def test_conflict_is_counted_without_a_merge() -> None:
    text = changed("label: Walk", "label: Walk\n    kind: conflict")
    text = text.replace("line: held_in", "line: share").replace("line: all", "line: chance")
    count = ConflictCount((10, 20, 60, 40), 30)
    tools = Tools(Tasks, lambda recipe: Conflict.of([count]), lambda r: frozenset())
    result = measure_lesson(read(text), quiet, tools=tools)
    assert [e.value for _, e in result.lines["walk", "share"]] == [0.3, 0.3]
    assert result.figures["low"].value == pytest.approx((60 * 0.5 + 40 * 0.75) / 100)
