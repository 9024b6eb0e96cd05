"""A search on the page: its dots, its front, its marks, its words."""

import pytest
from drawing import CLEAR, by_name
from tiny_measure import CancelAfter, TinyMeasure, hill, quiet, share, sum_of

from merging.errors import EvaluationError
from merging.jobs import Snapshot
from merging.recipe import Recipe, make_recipe
from merging.search.optimise import START, SearchResult, optimise, search_space
from ui.charts.front import front_figure
from ui.presenter import job_view
from ui.views.front import FrontView, front_view
from ui.views.front_words import search_ended_words, search_words, space_words
from ui.views.sweep_words import UNREPORTED

TASKS = {"first": ("A", "First"), "second": ("B", "Second")}


def searched(report=quiet, trials: int = 12, answer=hill, **how) -> SearchResult:
    measure = TinyMeasure(answer)
    how = {"budget_seconds": 1000.0} | how
    return optimise(sum_of(), report, measure=measure, clock=measure.clock, trials=trials, **how)


def view_of(result: SearchResult, recipe: Recipe | None = None, **axes: str) -> FrontView:
    return front_view(result, recipe or result.recipe, TASKS, **axes)


def test_dots_stand_at_their_scores_and_send_their_recipes() -> None:
    result = searched()
    view = view_of(result, across="first", up="second")
    assert [dot.key for dot in view.dots] == [p.recipe.key() for p in result.points]
    for dot, point in zip(view.dots, result.points, strict=True):
        assert (dot.x, dot.y) == (point.shares["first"].value, point.shares["second"].value)
    traces = by_name(front_figure(view))
    shown = dict(zip(traces["unbeaten"]["customdata"], traces["unbeaten"]["x"], strict=True))
    assert set(shown) == {result.points[i].recipe.key() for i in result.front}
    some = result.points[result.front[0]]
    assert shown[some.recipe.key()] == pytest.approx(100 * some.shares["first"].value, abs=0.01)
    assert len(traces["beaten"]["x"]) == len(result.points) - len(result.front)
    assert traces["best"]["customdata"] == [result.points[result.best].recipe.key()]
    assert traces["where it began"]["text"] == [f"{START} (λ = 0.3)"]
    assert traces["best, on images not looked at"]["x"] == pytest.approx(
        [100 * result.chosen.shares["first"].value], abs=0.01
    )


def test_mean_against_the_worst_task() -> None:
    result = searched()
    for dot, point in zip(view_of(result).dots, result.points, strict=True):
        assert dot.x == point.mean.value
        assert dot.y == min(s.value for s in point.shares.values())


def test_the_line_is_what_nothing_beats_on_its_two_scores() -> None:
    view = view_of(searched(), across="first", up="second")
    front = [view.dots[i] for i in view.line]
    for dot in view.dots:
        beats = [
            d for d in view.dots if d.x >= dot.x and d.y >= dot.y and (d.x, d.y) != (dot.x, dot.y)
        ]
        assert (dot in front) == (not beats)
    assert [d.x for d in front] == sorted(d.x for d in front)
    assert [d.y for d in front] == sorted((d.y for d in front), reverse=True)


def test_the_verdict() -> None:
    result = searched()
    best, chosen = result.points[result.best], result.chosen
    said = search_words(result, live=False)
    assert said.startswith(f"12 settings tried. Best: {best.settings}, with ") or said.startswith(
        f"12 settings tried; nothing new is left to propose. Best: {best.settings}, with "
    )
    assert f"with {100 * best.mean.value:.1f} % (95 % interval" in said
    assert f"the best has {100 * chosen.mean.value:.1f} %" in said
    if len(result.front) > 1:
        assert f"{len(result.front)} of them are beaten by no other on every task." in said


def test_while_it_runs_and_when_it_is_stopped() -> None:
    states: list[SearchResult] = []
    searched(on_point=states.append)
    part = next(s for s in states if len(s.points) == 3)
    said = search_words(part, live=True)
    assert said.startswith("3 settings so far. Best so far: ") and "not looked at" not in said
    stopped = searched(report=CancelAfter(60))
    count = len(stopped.points)
    assert 0 < count < 12 and stopped.chosen is None
    assert search_ended_words(stopped) == f"Stopped: {count} settings tried and kept."
    assert search_words(stopped, live=False).endswith(UNREPORTED)
    shot = Snapshot("x", "study find", status="done", result=stopped)
    assert job_view(shot).state == "cancelled"
    assert job_view(shot).text == search_ended_words(stopped)


def test_settings_that_fail_are_listed() -> None:
    def answer(recipe: Recipe) -> dict:
        if recipe.settings().common["scale"] > 1:
            raise EvaluationError("too far.")
        return {task: share(0.5) for task in TASKS}

    result = searched(answer=answer)
    view = view_of(result)
    failed = [p for p in result.points if p.error]
    assert failed and len(view.failed) == len(failed) and "too far." in view.failed[0]
    assert len(view.dots) == len(result.points) - len(failed)


def test_whose_points_they_are() -> None:
    result = searched()
    assert not view_of(result, sum_of(1.7)).stale
    other = view_of(result, sum_of(1.7).patched(weights={"a": 0.5}))
    figure = front_figure(other)
    assert other.stale and {t.get("opacity") for t in figure["data"]} == {0.5}
    assert "other settings (Task arithmetic · λ 0.3 · 3 experts)" in figure["sentence"]


def test_numbers_of_the_table() -> None:
    result = searched()
    table = front_figure(view_of(result))["table"]
    assert table["columns"] == [
        "Settings", "Mean, % of own", "95 % interval", "First, % of own", "Second, % of own",
        "Mark",
    ]  # fmt: skip
    assert len(table["rows"]) == len(result.points)
    best = table["rows"][result.best]
    assert best[1] == f"{100 * result.points[result.best].mean.value:.1f}"
    assert "unbeaten" in best[-1] and "best" in best[-1]


def test_weights_are_told_as_one_list() -> None:
    space = search_space(sum_of(), weights=True)
    result = searched(axes=space)
    view = view_of(result)
    assert view.dots[0].words == f"{START} (λ = 0.3, weights 1, 1, 1)"
    for dot, point in zip(view.dots[1:], result.points[1:], strict=True):
        scale = point.recipe.settings().common["scale"]
        weights = ", ".join(f"{e.weight:g}" for e in point.recipe.experts)
        assert dot.words == f"λ = {scale:g}, weights {weights}"


def test_what_lies_far_below_is_left_to_the_numbers() -> None:
    def answer(recipe: Recipe) -> dict:
        bad = recipe.settings().common["scale"] > 1.7
        return {t: share(0.05) for t in TASKS} if bad else hill(recipe)

    result = searched(answer=answer, trials=18)
    figure = front_figure(view_of(result))
    bad = [p for p in result.points if p.recipe.settings().common["scale"] > 1.7]
    assert 0 < len(bad) <= len(result.points) // 8
    assert figure["layout"]["xaxis"]["range"][0] > 10
    assert f"{len(bad)} worse ones lie outside of the picture" in figure["sentence"]
    assert len(figure["table"]["rows"]) == len(result.points)


def test_what_a_search_changes_in_words() -> None:
    assert space_words(search_space(sum_of())) == "Strength λ"
    ties = make_recipe("ties", "abc", set="tiny")
    assert space_words(search_space(ties)) == "Density and Strength λ"
    assert space_words(search_space(ties, weights=True)) == "Density, Strength λ and 3 weights"


def test_labels_at_the_corner_stand_apart_and_long_titles_fit_a_phone() -> None:
    tasks = {"first": ("Q", "A task with a name of many letters"), "second": ("B", "Second")}
    figure = front_figure(front_view(searched(), sum_of(), tasks, "first", "second"))
    for layout in (figure["layout"], figure["narrow"]):
        across = layout["xaxis"]
        # A label of the upright axis reaches 8 pixels below the corner, where that one begins.
        assert across["ticks"] == "outside" and across["ticklen"] >= 8
        assert across["tickcolor"] == CLEAR
    lines = figure["narrow"]["xaxis"]["title"]["text"].split("\n")
    assert len(lines) == 2 and max(map(len, lines)) <= 42
    assert figure["narrow"]["height"] == figure["layout"]["height"] + 16


def test_a_search_whose_time_was_up_before_its_first_point_says_so() -> None:
    slow, told = TinyMeasure(seconds=1000), []
    result = optimise(
        sum_of(), quiet, measure=slow, clock=slow.clock, trials=3, budget_seconds=60,
        on_point=told.append,
    )  # fmt: skip
    assert result.ended == "budget" and not result.points and told[-1] == result
    words = "0 settings tried. The time was up before the first was done."
    assert search_words(result, live=False) == words
    assert not view_of(result).dots
