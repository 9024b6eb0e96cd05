"""A sweep on the page: sentences against its numbers, figure data, whose points they are."""

from dataclasses import replace
from itertools import pairwise

import pytest
from drawing import by_name
from tiny_measure import CancelAfter, TinyMeasure, hill, quiet, share, sum_of

from merging.errors import EvaluationError
from merging.jobs import Snapshot
from merging.recipe import Recipe, make_recipe
from merging.search.axis import (
    Axis,
    count_axis,
    method_axis,
    parameter_axis,
    seed_axis,
    weight_axis,
)
from merging.search.plan import SweepPlan
from merging.search.sweep import SweepResult, sweep
from ui.charts.sweep import sweep_figure
from ui.charts.sweep_frame import spread
from ui.presenter import job_view
from ui.views.sweep import SweepView, belongs, present_value, sweep_view
from ui.views.sweep_words import (
    UNREPORTED,
    ended_words,
    estimate_words,
    how_many,
    running_words,
    verdict_words,
)

TASKS = {"first": ("A", "First"), "second": ("B", "Second")}


def swept(
    axis: Axis | None = None, recipe: Recipe | None = None, report=quiet, **how
) -> SweepResult:
    recipe = recipe or sum_of()
    measure = how.pop("measure", None) or TinyMeasure()
    plan = SweepPlan(recipe, (axis or parameter_axis(recipe, "scale", count=11),))
    return sweep(plan, report, measure=measure, clock=measure.clock, **how)


def view_of(result: SweepResult, recipe: Recipe | None = None) -> SweepView:
    return sweep_view(result, recipe or result.plan.recipe, TASKS)


def test_the_verdict_names_best_simplest_and_other_images() -> None:
    result = swept()
    best, chosen = result.points[result.best], result.chosen
    simple = result.points[result.simplest]
    assert best is not simple
    assert verdict_words(result, live=False) == (
        f"Best: λ = 1, with {100 * best.mean.value:.1f} % (95 % interval "
        f"{100 * best.mean.low:.1f} to {100 * best.mean.high:.1f}) of what the experts can do on "
        f"the images for choosing. Simplest within noise of it: {simple.settings} "
        f"({100 * simple.mean.value:.1f} %). On images that were not looked at while choosing, "
        f"the best has {100 * chosen.mean.value:.1f} % (95 % interval "
        f"{100 * chosen.mean.low:.1f} to {100 * chosen.mean.high:.1f})."
    )


def test_while_it_runs_only_the_best_so_far() -> None:
    states: list[SweepResult] = []
    swept(on_point=states.append)
    part = next(s for s in states if len(s.points) == 3 and s.own)
    said = verdict_words(part, live=True)
    assert said.startswith("3 of 11 values so far. Best so far: λ = 1, with ")
    assert "Simplest" not in said and "not looked at" not in said
    assert verdict_words(part, live=False).startswith("It broke off after 3 of 11 values.")
    assert verdict_words(states[0], live=True) == "1 of 11 values so far."


def test_what_was_stopped_keeps_its_points() -> None:
    result = swept(report=CancelAfter(70))
    assert 3 <= len(result.points) < 11
    of = f"{len(result.points)} of 11 values"
    assert ended_words(result) == f"Stopped: {of} were tried and are kept."
    assert verdict_words(result, live=False).startswith(
        f"Stopped: {of} were tried and are kept. Best so far: λ = "
    )
    assert verdict_words(result, live=False).endswith(f" {UNREPORTED}")
    assert UNREPORTED not in verdict_words(swept(), live=False)
    assert result.chosen is None and len(view_of(result).tried) == len(result.points)
    nothing = swept(report=CancelAfter(0))
    assert ended_words(nothing) == "Stopped: nothing was tried yet."


def test_an_ended_budget_says_so_and_still_tells_the_reporting_half() -> None:
    result = swept(budget_seconds=4.5)
    said = verdict_words(result, live=False)
    assert said.startswith(f"Stopped at 4.5 s: {len(result.points)} of 11 values were tried.")
    assert "On images that were not looked at while choosing" in said


def test_points_that_fail_are_listed() -> None:
    def answer(recipe: Recipe):
        if recipe.settings().common["scale"] > 1:
            raise EvaluationError("the score is not a number.")
        return hill(recipe)

    view = view_of(swept(measure=TinyMeasure(answer)))
    assert len(view.tried) == 6 and len(view.failed) == 5
    assert "λ = 2: the score is not a number." in view.failed

    def broken(recipe: Recipe):
        raise EvaluationError("no.")

    none = swept(measure=TinyMeasure(broken))
    assert verdict_words(none, live=False).endswith("None of them could be scored.")


def test_a_sweep_whose_time_was_up_before_its_first_point_says_so() -> None:
    told: list[SweepResult] = []
    slow = TinyMeasure(seconds=1000)
    ended = swept(measure=slow, budget_seconds=60, on_point=told.append)
    assert ended.ended == "budget" and not ended.points and told[-1] == ended
    assert verdict_words(ended, live=False) == (
        "Stopped at 60 s: 0 of 11 values were tried. The time was up before the first was done."
    )
    assert not view_of(ended).tried


def test_draws_are_told_by_their_spread() -> None:
    recipe = make_recipe("dare", "ab", set="tiny", seed=3)

    def draw(recipe: Recipe):
        return {t: share(0.5 + 0.025 * (recipe.seed - 3)) for t in TASKS}

    result = swept(seed_axis(recipe, 4), recipe, measure=TinyMeasure(draw))
    means = [p.mean.value for p in result.points]
    said = verdict_words(result, live=False)
    assert said.startswith(
        f"4 draws keep {100 * min(means):.1f} to {100 * max(means):.1f} %, "
        f"{100 * sum(means) / 4:.1f} % on average: the draw alone moves the score by "
        f"{100 * (max(means) - min(means)):.1f} points."
    )
    assert "best of many draws is partly luck. On images" in said
    assert view_of(result).best and not view_of(result).simplest


def test_what_it_will_take() -> None:
    axis = parameter_axis(sum_of(), "scale")
    assert how_many(axis) == "21 values"
    assert how_many(method_axis(["ties", "linear"])) == "2 methods"
    assert estimate_words((axis,), 9.3, 60) == "21 values, about 9 s"
    assert estimate_words((axis,), 0.0, 60) == "21 values, all of them measured before"
    assert estimate_words((axis,), None, 60) == (
        "21 values, at most 60 s; the first of them tells how long."
    )
    assert estimate_words((axis,), 94, 60).endswith("about 1 min 34 s; it stops at 60 s "
                                                 "with what is done")  # fmt: skip


def test_how_far_it_is() -> None:
    waiting = Snapshot("x", "sweep me", position=2)
    assert running_words(waiting, 0) == "Waiting, place 2"
    running = replace(waiting, status="running", message="7 of 21 values tried", elapsed=3.2)
    assert running_words(running, 5.4) == "7 of 21 values tried · 3 s, about 5 s left"
    assert running_words(running, 0) == "7 of 21 values tried · 3 s"


def test_the_job_line_tells_how_a_sweep_ended() -> None:
    stopped = swept(report=CancelAfter(70))
    shot = Snapshot("x", "sweep me", status="done", result=stopped)
    assert job_view(shot).state == "cancelled" and job_view(shot).text == ended_words(stopped)
    done = job_view(replace(shot, result=swept()))
    assert (done.state, done.text) == ("done", "11 of 11 values were tried.")


def test_whose_points_they_are() -> None:
    result = swept()
    assert belongs(result, sum_of(1.7)) and belongs(result, sum_of(0.123))
    assert not belongs(result, sum_of(0.3).patched(weights={"a": 0.5}))
    assert not belongs(result, make_recipe("ties", "abc", set="tiny"))
    counted = swept(count_axis(sum_of()))
    assert belongs(counted, replace(sum_of(), experts=sum_of().experts[:2]))
    assert not belongs(counted, sum_of(0.4))


def test_the_present_value() -> None:
    scale = parameter_axis(sum_of(), "scale")
    assert present_value(scale, sum_of(0.7)) == 0.7
    assert present_value(scale, make_recipe("linear", "ab", set="tiny")) is None
    assert present_value(count_axis(sum_of()), sum_of()) == 3
    assert present_value(method_axis(["ties"]), sum_of()) == "task_arithmetic"
    loud = sum_of().patched(weights={"b": 1.5})
    assert present_value(weight_axis(loud, "b"), loud) == 1.5
    assert present_value(weight_axis(loud, "b"), make_recipe("ties", "ac", set="tiny")) is None
    dropped = make_recipe("dare", "ab", set="tiny", seed=9)
    assert present_value(seed_axis(dropped), dropped) == 9


def test_lines_hold_the_numbers_and_their_recipes() -> None:
    result = swept()
    figure = sweep_figure(view_of(result))
    traces = by_name(figure)
    order = sorted(result.points, key=lambda p: p.at)
    assert traces["mean"]["x"] == [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    assert traces["mean"]["y"] == pytest.approx([100 * p.mean.value for p in order], abs=0.01)
    assert traces["A First"]["y"] == pytest.approx(
        [100 * p.shares["first"].value for p in order], abs=0.01
    )
    assert traces["mean"]["customdata"] == [p.recipe.key() for p in order]
    band = traces["95 % interval"]["y"]
    assert band[:11] == pytest.approx([100 * p.mean.high for p in order], abs=0.01)
    assert band[11:] == pytest.approx([100 * p.mean.low for p in reversed(order)], abs=0.01)
    assert (traces["best"]["x"], traces["best"]["marker"]["symbol"]) == ([1.0], "diamond")
    assert traces["best, on images not looked at"]["y"] == pytest.approx(
        [100 * result.chosen.mean.value], abs=0.01
    )
    words = [note["text"] for note in figure["layout"]["annotations"]]
    simple = result.points[result.simplest].settings
    assert words == [
        "A First", "B Second", "mean", "best: λ = 1", f"simplest within noise: {simple}",
    ]  # fmt: skip
    (line,) = [s for s in figure["patch"]["shapes"] if "label" in s]
    assert (line["x0"], line["label"]["text"]) == (0.3, "yours: λ = 0.3")


def test_a_slider_moves_only_the_present_value() -> None:
    result = swept()
    one, other = (sweep_figure(view_of(result, sum_of(s))) for s in (0.3, 1.2))
    assert one["revision"] == other["revision"] and one["patch"] != other["patch"]
    assert one["data"] == other["data"]
    stale = sweep_figure(view_of(result, sum_of().patched(weights={"a": 0.5})))
    assert stale["revision"] != one["revision"]
    assert "other settings than yours (Task arithmetic · λ 0.3 · 3 experts)" in stale["sentence"]
    assert "other settings" not in one["sentence"] and stale["data"][0]["opacity"] == 0.5


def test_values_without_order_are_dots_with_intervals() -> None:
    axis = method_axis(["task_arithmetic", "linear", "ties"])

    def answer(recipe: Recipe):
        return {t: share({"ties": 0.8, "linear": 0.6}.get(recipe.method, 0.4)) for t in TASKS}

    figure = sweep_figure(view_of(swept(axis, measure=TinyMeasure(answer))))
    traces = by_name(figure)
    assert traces["mean"]["y"] == [2, 1, 0]
    assert traces["mean"]["x"] == pytest.approx([100 * v / 0.9 for v in (0.4, 0.6, 0.8)], abs=0.01)
    assert len(traces["95 % interval"]["x"]) == 9
    assert figure["layout"]["yaxis"]["ticktext"] == ["TIES", "Average", "Task arithmetic"]
    row, name = figure["patch"]["shapes"]
    assert (row["y0"] + row["y1"]) / 2 == 2 and name["label"]["text"] == "yours"


def test_numbers_of_the_table() -> None:
    result = swept()
    table = sweep_figure(view_of(result))["table"]
    assert table["columns"][3:] == ["First, % of own", "Second, % of own", "Mark"]
    best = result.points[result.best]
    row = next(r for r in table["rows"] if r[0] == "λ = 1")
    assert row[1] == f"{100 * best.mean.value:.1f}" and row[-1] == "best"
    assert len(table["rows"]) == 11 and {len(r) for r in table["rows"]} == {6}


@pytest.mark.parametrize("levels", [[50.0, 50.0, 50.0], [1.0, 9.0, 1.5], [3.0], []])
def test_names_at_the_ends_stand_apart_in_their_order(levels: list[float]) -> None:
    placed = spread(levels, 2.0, (-90, 90))
    order = sorted(range(len(levels)), key=lambda i: levels[i])
    apart = [placed[b] - placed[a] for a, b in pairwise(order)]
    assert all(gap > 1.999 for gap in apart)
    assert sum(placed) == pytest.approx(sum(levels), abs=0.5)
    inside = spread(levels, 2.0, (2.0, 50.0))
    assert all(2.0 <= level <= 50.0 for level in inside)


def test_a_sweep_of_one_point_is_drawn() -> None:
    result = swept(report=CancelAfter(25))
    figure = sweep_figure(view_of(result))
    assert len(by_name(figure)["mean"]["x"]) == len(view_of(result).tried) >= 1


def test_a_setting_that_changes_nothing_is_told_instead_of_a_best() -> None:
    flat = swept(measure=TinyMeasure(lambda recipe: {"first": share(0.9), "second": share(0.6)}))
    words = verdict_words(flat, False)
    assert words.startswith(f"All {len(flat.points)} answer every image alike")
    assert "Best" not in words and "simpler" not in words
    assert "Best so far" in verdict_words(replace(flat, ended="budget"), False)
