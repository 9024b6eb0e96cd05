"""Sweeps on a measure that answers at once: partial results, faults, cancel, cache, budget."""

from collections.abc import Iterator
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_measure import CancelAfter, TinyMeasure, hill, quiet, share, sum_of

from merging.errors import Cancelled, EvaluationError, RecipeError
from merging.jobs import JobRunner, ResultCache
from merging.recipe import Recipe, make_recipe
from merging.search.axis import method_axis, parameter_axis, seed_axis, weight_axis
from merging.search.pace import Pace
from merging.search.plan import SweepPlan, estimate, measured_seconds
from merging.search.points import Bench
from merging.search.sweep import SweepResult, sweep


def over_lambda(count: int = 11, **fields: object) -> SweepPlan:
    return SweepPlan(sum_of(), (parameter_axis(sum_of(), "scale", count=count),), **fields)


def run(plan: SweepPlan, measure: TinyMeasure, report=quiet, **how) -> SweepResult:
    return sweep(plan, report, measure=measure, clock=measure.clock, **how)


def test_every_point_is_there_once_with_its_own_answers() -> None:
    measure = TinyMeasure()
    found = run(over_lambda(), measure)
    assert [p.settings for p in found.points[:3]] == ["λ = 0", "λ = 1", "λ = 2"]
    assert sorted(p.at for p in found.points) == [(i,) for i in range(11)]
    for point in found.points:
        scale = found.plan.values(point.at)[0]
        assert point.recipe == sum_of(scale)
        assert (point.correct["first"] == hill(sum_of(scale))["first"]).all()
        assert point.accuracy["first"].value == pytest.approx(0.8 - 0.3 * abs(scale - 1), abs=0.02)
        assert point.shares["first"].value == pytest.approx(point.accuracy["first"].value / 0.9)
        assert point.mean is not None and point.half == "tuning"
        assert point.seconds == pytest.approx(1.0)
    assert found.ended == "complete" and found.message == "11 of 11 points."
    assert len(measure.tuned) == 11


def test_the_best_point_is_scored_once_on_the_reporting_half() -> None:
    measure = TinyMeasure()
    found = run(over_lambda(), measure)
    assert found.best is not None and found.points[found.best].settings == "λ = 1"
    assert found.chosen is not None
    assert (found.chosen.half, found.chosen.recipe) == ("reporting", sum_of(1.0))
    assert [r for r, half in measure.scored if half == "reporting"] == [sum_of(1.0)]
    assert measure.own_asked == ["tuning", "reporting"]


def test_the_simplest_within_noise_may_be_chosen_instead() -> None:
    """Near the hill's top the default of 0.3 is no worse than noise allows, 0.1 is simpler."""
    measure = TinyMeasure()
    found = run(over_lambda(21, choose="simplest"), measure)
    assert found.simplest is not None and found.chosen is not None
    simple = found.points[found.simplest]
    assert found.chosen.recipe == simple.recipe != found.points[found.best].recipe
    at = float(dict(simple.recipe.params)["scale"])
    assert 0.3 <= at < 1.0


def test_partial_results_come_one_by_one_and_never_change() -> None:
    seen: list[SweepResult] = []
    run(over_lambda(5), TinyMeasure(), on_point=seen.append)
    counts = [len(s.points) for s in seen]
    assert counts == sorted(counts) and {1, 2, 3, 4, 5} <= set(counts)
    assert counts[0] == 1 and not seen[0].points[0].shares and seen[0].points[0].accuracy
    assert seen[1].points[0].shares and seen[1].own
    assert [s.ended for s in seen[:-1]] == [""] * (len(seen) - 1)
    with pytest.raises(FrozenInstanceError):
        seen[0].points = ()  # type: ignore[misc]
    assert seen[2].left == pytest.approx(3.0)
    assert seen[-1].left == 0


def test_a_grid_of_two_axes() -> None:
    recipe = sum_of()
    axes = (
        parameter_axis(recipe, "scale", values=(0.2, 0.4)),
        weight_axis(recipe, "b", (0.0, 1.0)),
    )
    found = run(SweepPlan(recipe, axes), TinyMeasure())
    assert {p.settings for p in found.points} == {
        "λ = 0.2, Weight of b = 0", "λ = 0.2, Weight of b = 1",
        "λ = 0.4, Weight of b = 0", "λ = 0.4, Weight of b = 1",
    }  # fmt: skip
    by_place = {p.at: p.recipe for p in found.points}
    want = make_recipe(
        "task_arithmetic", {"a": 1.0, "b": 0.0, "c": 1.0}, set="tiny", params={"scale": 0.4}
    )
    assert by_place[(1, 0)] == want


@pytest.mark.parametrize("error", [EvaluationError("no head"), ValueError("a bug"), MemoryError()])
def test_a_point_that_fails_names_its_settings_and_the_others_go_on(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(recipe: Recipe):
        if dict(recipe.params)["scale"] == 1.0:
            raise error
        return hill(recipe)

    found = run(over_lambda(5), TinyMeasure(answer))
    bad = [p for p in found.points if p.error]
    assert len(found.points) == 5 and [p.recipe for p in bad] == [sum_of(1.0)]
    words = {EvaluationError: "no head", ValueError: "something broke", MemoryError: "memory ran"}
    assert bad[0].error.startswith(f"λ = 1: {words[type(error)]}")
    assert found.message == "5 of 5 points, 1 of them failed."
    assert found.chosen is not None and not found.chosen.error
    assert bool(caplog.records) == (not isinstance(error, EvaluationError))


def test_settings_that_make_no_recipe_are_a_failed_point() -> None:
    recipe = make_recipe("linear", "ab", set="tiny")
    found = run(
        SweepPlan(recipe, (weight_axis(recipe, "a", (-1.0, 1.0)),)),
        TinyMeasure(lambda r: {"first": share(0.5), "second": share(0.5)}),
    )
    bad = next(p for p in found.points if p.error)
    assert bad.recipe is None and bad.error.startswith("Weight of a = -1: ")
    assert found.chosen is not None


def test_all_points_fail() -> None:
    def answer(recipe: Recipe):
        raise EvaluationError("no head")

    measure = TinyMeasure(answer)
    found = run(over_lambda(3), measure)
    assert found.ended == "complete" and found.best is None and found.chosen is None
    assert measure.own_asked == []


def test_cancel_keeps_what_is_done() -> None:
    measure = TinyMeasure()
    found = run(over_lambda(), measure, CancelAfter(36))
    assert found.ended == "cancelled" and len(found.points) == 3 == len(measure.tuned)
    assert found.message == "Cancelled. 3 of 11 points were done and are kept."
    assert found.best is not None and found.chosen is None
    assert all(half == "tuning" for _, half in measure.scored)


def test_cancel_before_the_last_score_keeps_all_points() -> None:
    class OnReporting:
        def __call__(self, fraction: float, message: str) -> None:
            if "reporting" in message:
                raise Cancelled("stop")

    found = run(over_lambda(3), TinyMeasure(), OnReporting())
    assert found.ended == "cancelled" and len(found.points) == 3
    assert found.simplest is not None and found.chosen is None


def test_what_was_known_is_not_merged_again() -> None:
    results, first = ResultCache(), TinyMeasure()
    run(over_lambda(5), first, results=results)
    again = TinyMeasure()
    found = run(over_lambda(9), again, results=results)
    assert len(first.tuned) == 5 and len(again.tuned) == 4
    assert again.own_asked == []
    assert sum(p.cached for p in found.points) == 5
    assert [p.cached for p in found.points[:5]] == [True] * 5
    third = TinyMeasure()
    found = run(over_lambda(9), third, results=results)
    assert third.scored == [] and found.seconds == 0 and found.spent == 0
    assert all(p.mean for p in found.points) and found.chosen is not None


def test_answers_of_other_items_are_not_taken() -> None:
    results = ResultCache()
    run(over_lambda(3), TinyMeasure(), results=results)
    other = TinyMeasure()
    other.mark = lambda half: f"fewer {half}"  # type: ignore[method-assign]
    run(over_lambda(3), other, results=results)
    assert len(other.tuned) == 3


def test_equal_recipes_are_merged_once() -> None:
    """A method that draws nothing gives the same at every seed of the other axis' method."""
    recipe = make_recipe("dare", "ab", set="tiny")
    axes = (method_axis(["dare", "ties"]), seed_axis(recipe, 3))
    measure = TinyMeasure(lambda r: {"first": share(0.5), "second": share(0.6)})
    found = run(SweepPlan(recipe, axes), measure)
    assert len(found.points) == 6 and len(measure.tuned) == 4


def test_the_budget_is_kept_and_said() -> None:
    measure = TinyMeasure(seconds=1.0)
    found = run(over_lambda(), measure, budget_seconds=3.5)
    assert found.ended == "budget" and len(measure.tuned) == 3
    assert found.message == "Stopped at the budget of 3.5 s: 3 of 11 points."
    assert found.chosen is not None and found.chosen.half == "reporting"


def test_a_point_that_outlasts_the_budget_is_stopped_in_the_middle() -> None:
    measure = TinyMeasure(seconds=10.0)
    found = run(over_lambda(), measure, budget_seconds=4.0)
    assert found.ended == "budget" and found.points == () and found.chosen is None
    assert found.spent == pytest.approx(5.0)


def test_own_experts_that_outlast_the_budget_are_measured_after_it() -> None:
    class Slow(TinyMeasure):
        def own(self, half, report):
            for _ in range(10):
                self.clock.now += 1
                report(0.5, "own")
            return super().own(half, report)

    measure = Slow(seconds=1.0)
    found = run(over_lambda(), measure, budget_seconds=3.0)
    assert found.ended == "budget" and len(found.points) == 1
    assert found.best == 0 and found.chosen is not None and found.points[0].shares


@given(st.floats(0.5, 12), st.floats(0.1, 2))
def test_never_much_longer_than_the_budget(budget: float, seconds: float) -> None:
    measure = TinyMeasure(seconds=seconds)
    found = run(over_lambda(9), measure, budget_seconds=budget)
    tuning = len(measure.tuned) * seconds
    assert tuning <= budget + seconds / 10 + 1e-9
    assert (found.ended == "complete") == (len(found.points) == 9)
    if found.ended == "budget" and measure.tuned:
        assert tuning + seconds > budget - 1e-9


def test_the_estimate_counts_what_is_not_known() -> None:
    results, measure = ResultCache(), TinyMeasure()
    bench = Bench(measure, results, Pace(60, measure.clock))
    assert estimate(over_lambda(11), bench, 0.5) == pytest.approx(6.5)
    run(over_lambda(6), measure, results=results)
    assert estimate(over_lambda(11), bench, 0.5) == pytest.approx(3.0)


def test_seconds_are_measured_on_a_point_that_the_sweep_then_knows() -> None:
    results, measure = ResultCache(), TinyMeasure(seconds=0.5)
    bench = Bench(measure, results, Pace(60, measure.clock))
    assert measured_seconds(over_lambda(5), bench, quiet) == pytest.approx(0.5)
    assert measure.tuned == [sum_of(0.0)]
    run(over_lambda(5), measure, results=results)
    assert len(measure.tuned) == 5
    assert measured_seconds(over_lambda(5), bench, quiet) == 0


def test_progress_goes_up_to_the_end() -> None:
    seen: list[float] = []
    run(over_lambda(5), TinyMeasure(), lambda fraction, message: seen.append(fraction))
    assert seen == sorted(seen) and seen[0] == 0 and 0.95 <= seen[-1] <= 1


def test_points_may_be_scored_elsewhere_in_any_order() -> None:
    measure, closed = TinyMeasure(), []

    def backwards(recipes, report) -> Iterator:
        try:
            for index in reversed(range(len(recipes))):
                report(0.5, "elsewhere")
                measure.clock.now += 1
                yield index, hill(recipes[index])
        finally:
            closed.append(True)

    found = run(over_lambda(5), measure, source=backwards)
    here = run(over_lambda(5), TinyMeasure())
    assert measure.tuned == [] and closed == [True]
    assert [p.at for p in found.points] == [p.at for p in here.points[::-1]]
    for a, b in zip(found.points[::-1], here.points, strict=True):
        assert a.shares == b.shares and a.recipe == b.recipe
    run(over_lambda(5), measure, source=backwards, budget_seconds=2.5)
    assert closed == [True, True]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((), "one axis or two, not 0"),
        ((parameter_axis(sum_of(), "scale"),) * 2, "Both axes vary Strength λ"),
        (
            (
                parameter_axis(sum_of(), "scale", count=101, high=10),
                weight_axis(sum_of(), "a", np.linspace(0, 1, 50).tolist()),
            ),
            "points are too many; 1024",
        ),
    ],
)
def test_plans_that_are_refused(axes, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        SweepPlan(sum_of(), axes)


def test_equal_plans_share_a_key() -> None:
    assert over_lambda(5).key() == over_lambda(5).key() != over_lambda(11).key()
    assert over_lambda(5).key() != over_lambda(5, choose="simplest").key()


def test_as_a_job_a_cancelled_sweep_still_hands_over_its_points() -> None:
    runner, measure = JobRunner(), TinyMeasure()
    seen: list[SweepResult] = []

    def work(report):
        def on_point(state: SweepResult) -> None:
            seen.append(state)
            if len(state.points) == 2:
                runner.cancel("me")

        return run(over_lambda(), measure, report, on_point=on_point)

    runner.submit("me", "k", work)
    done = runner.wait("me", 10)
    runner.close()
    assert done is not None and done.status == "done"
    assert done.result.ended == "cancelled" and len(done.result.points) == 2
