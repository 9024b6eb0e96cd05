"""A walk with roll-back on curves written down, and on a recipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_measure import CancelAfter, TinyMeasure, hill, quiet, sum_of

from merging.errors import Cancelled, EvaluationError, ParameterError, RecipeError
from merging.jobs import ResultCache
from merging.search.line import Line, line_search
from merging.search.pace import OutOfTime
from merging.search.walk import WalkResult, walk


def along(*scores: float | None, patience: int = 0) -> Line:
    """Walk over places 0, 1, 2, ... with these scores."""
    return line_search(lambda at: scores[round(at)], 0, 1, len(scores) - 1, patience)


def test_the_step_that_loses_is_rolled_back_and_kept_in_the_curve() -> None:
    line = along(0.1, 0.4, 0.6, 0.5, 0.9)
    assert line.curve == ((0, 0.1), (1, 0.4), (2, 0.6), (3, 0.5))
    assert (line.best, line.stopped) == (2, "lost")


def test_a_rising_curve_ends_at_the_end() -> None:
    line = along(0.1, 0.2, 0.3)
    assert (line.best, line.stopped, len(line.curve)) == (2, "end", 3)


def test_a_curve_that_falls_at_once_stays_where_it_began() -> None:
    line = along(0.5, 0.4, 0.9)
    assert (line.best, line.stopped, len(line.curve)) == (0, "lost", 2)


def test_a_plateau_is_walked_on_but_its_beginning_counts() -> None:
    line = along(0.1, 0.5, 0.5, 0.5, 0.4)
    assert (line.best, line.stopped, len(line.curve)) == (1, "lost", 5)
    line = along(0.1, 0.5, 0.5, 0.6, 0.4)
    assert line.best == 3


def test_patience_walks_through_a_dip() -> None:
    scores = (0.1, 0.5, 0.4, 0.7, 0.6, 0.6, 0.9)
    assert along(*scores).best == 1
    line = along(*scores, patience=1)
    assert (line.best, line.stopped, len(line.curve)) == (3, "lost", 6)
    assert along(*scores, patience=2).best == 6


def test_a_place_without_score_ends_the_walk() -> None:
    line = along(0.1, 0.2, None, 0.9)
    assert (line.best, line.stopped) == (1, "failed")
    assert along(None).best is None


@pytest.mark.parametrize(("error", "word"), [(Cancelled, "cancelled"), (OutOfTime, "budget")])
def test_a_stop_keeps_the_curve(error: type[Cancelled], word: str) -> None:
    def score(at: float) -> float:
        if at > 1:
            raise error("stop")
        return at

    line = line_search(score, 0, 1, 5)
    assert (line.curve, line.stopped) == (((0, 0), (1, 1)), word)


def test_a_walk_may_go_down() -> None:
    line = line_search(lambda at: -abs(at - 0.3), 1.0, 0.1, 0.0)
    assert (line.best, line.stopped) == (0.3, "lost")


@pytest.mark.parametrize(
    ("step", "end", "message"),
    [
        (0.0, 1.0, "above 0"),
        (float("nan"), 1.0, "step is nan"),
        (0.001, 1.0, "1000 steps are too"),
    ],
)
def test_steps_that_lead_nowhere(step: float, end: float, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        line_search(lambda at: 0, 0, step, end)


@given(st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12), st.integers(0, 3))
def test_the_best_place_is_the_first_of_what_was_walked(scores: list[float], patience: int) -> None:
    line = along(*scores, patience=patience)
    walked = scores[: len(line.curve)]
    assert [score for _, score in line.curve] == walked
    assert line.best == walked.index(max(walked))
    behind = [s < max(walked) for s in walked[walked.index(max(walked)) + 1 :]]
    if line.stopped == "lost":
        assert behind[-patience - 1 :] == [True] * (patience + 1)
    else:
        assert len(walked) == len(scores)


def test_a_recipe_is_walked_and_the_best_place_scored_on_the_other_half() -> None:
    """The sum of both hills of ``hill`` is highest at λ = 1."""
    measure, seen = TinyMeasure(), []
    found = walk(
        sum_of(), quiet, measure=measure, step=0.2, clock=measure.clock,
        results=ResultCache(), on_step=seen.append,
    )  # fmt: skip
    assert [p.settings for p in found.points] == [
        "λ = 0", "λ = 0.2", "λ = 0.4", "λ = 0.6", "λ = 0.8", "λ = 1", "λ = 1.2",
    ]  # fmt: skip
    assert found.line.stopped == "lost" and found.line.best == 1.0 and found.best == 5
    assert found.chosen is not None and found.chosen.half == "reporting"
    assert found.chosen.recipe == sum_of(1.0)
    assert [half for _, half in measure.scored].count("reporting") == 1
    assert measure.own_asked == ["tuning", "reporting"]
    assert [len(s.line.curve) for s in seen] == [1, 2, 3, 4, 5, 6, 7, 7, 7]
    assert all(isinstance(s, WalkResult) for s in seen)


def test_a_walk_that_is_cancelled_looks_at_no_reporting_item() -> None:
    measure = TinyMeasure()
    found = walk(sum_of(), CancelAfter(35), measure=measure, step=0.2, clock=measure.clock)
    assert found.line.stopped == "cancelled" and len(found.points) == 3
    assert found.chosen is None and len(measure.tuned) == len(measure.scored)


def test_a_failing_step_ends_a_walk_with_its_settings() -> None:
    def answer(recipe):
        if dict(recipe.params)["scale"] > 0.3:
            raise EvaluationError("no such thing")
        return hill(recipe)

    measure = TinyMeasure(answer)
    found = walk(sum_of(), quiet, measure=measure, step=0.2, clock=measure.clock)
    assert found.line.stopped == "failed" and found.line.best == 0.2
    assert found.points[-1].error == "λ = 0.4: no such thing"
    assert found.chosen is not None and found.chosen.recipe == sum_of(0.2)


def test_a_walk_stays_in_its_budget() -> None:
    measure = TinyMeasure(seconds=1.0)
    found = walk(sum_of(), quiet, measure=measure, clock=measure.clock, budget_seconds=3.55)
    assert found.line.stopped == "budget" and len(found.points) == 3
    assert found.chosen is not None


def test_a_walk_along_nothing() -> None:
    with pytest.raises(RecipeError, match="Unknown parameter"):
        walk(sum_of(), quiet, measure=TinyMeasure(), name="nothing")
