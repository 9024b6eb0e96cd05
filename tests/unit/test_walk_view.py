"""A line search on the page: its curve, what it rolled back, its words."""

import pytest
from drawing import by_name
from tiny_measure import CancelAfter, TinyMeasure, quiet, share, sum_of

from merging.errors import RecipeError
from merging.jobs import Snapshot
from merging.recipe import Recipe, make_recipe
from merging.search.walk import walk
from ui.charts.sweep import sweep_figure
from ui.presenter import job_view
from ui.views.sweep_words import UNREPORTED
from ui.views.walk import STEP, Walked, walk_axis, walk_ended_words, walk_view, walk_words

TASKS = {"first": ("A", "First"), "second": ("B", "Second")}


def peak(recipe: Recipe) -> dict:
    """Best at λ = 0.5: 32 of 40 right, two fewer with every step away from there."""
    steps = abs(float(recipe.settings().common["scale"]) - 0.5) / STEP
    return {task: share(0.8 - 0.05 * steps) for task in TASKS}


def walked(report=quiet, answer=peak, **how) -> Walked:
    recipe, measure = sum_of(), TinyMeasure(answer)
    found = walk(recipe, report, measure=measure, step=STEP, clock=measure.clock, **how)
    return Walked(recipe, walk_axis(recipe), found)


def test_the_curve_and_what_was_rolled_back() -> None:
    one = walked()
    traces = by_name(sweep_figure(walk_view(one, sum_of(), TASKS)))
    assert traces["mean"]["x"] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert traces["mean"]["y"][5] == pytest.approx(100 * 32 / 36, abs=0.01)
    assert traces["best"]["x"] == [0.5] and traces["best"]["marker"]["symbol"] == "diamond"
    assert traces["rolled back"]["x"] == [0.6]
    assert traces["rolled back"]["marker"]["symbol"] == "x-thin-open"
    assert traces["best, on images not looked at"]["y"] == pytest.approx([88.89], abs=0.01)
    patient = sweep_figure(walk_view(walked(patience=2), sum_of(), TASKS))
    lost = [t["x"][0] for t in patient["data"] if t["name"] == "rolled back"]
    assert lost == pytest.approx([0.6, 0.7, 0.8])
    rows = {row[0]: row[-1] for row in patient["table"]["rows"]}
    assert rows["λ = 0.7"] == "rolled back" and rows["λ = 0.5"] == "best"
    assert "◆ where it went back to · ✕ rolled back" in patient["sentence"]
    names = [note["text"] for note in patient["layout"]["annotations"]]
    assert "back to: λ = 0.5" in names


def test_the_verdict() -> None:
    said = walk_words(walked(), live=False)
    assert said.startswith(
        "The step to λ = 0.6 lost (83.3 %) and was rolled back. "
        "It went back to λ = 0.5, with 88.9 %"
    )
    assert "On images that were not looked at while choosing, it has 88.9 %" in said
    up = walked(
        answer=lambda r: {t: share(0.4 + 0.2 * r.settings().number("scale")) for t in TASKS}
    )
    assert walk_words(up, live=False).startswith(
        "It reached the end of the slider, λ = 2 (88.9 %)."
    )


def test_while_it_runs_and_when_it_stops() -> None:
    states: list = []
    walked(on_step=states.append)
    part = Walked(sum_of(), walk_axis(sum_of()), states[2])
    assert walk_words(part, live=True).startswith("3 steps so far. Best so far: λ = 0.2, with ")
    assert walk_words(part, live=False).startswith("It broke off after 3 steps.")
    stopped = walked(report=CancelAfter(45))
    count = len(stopped.points)
    assert 0 < count < 7
    assert walk_ended_words(stopped) == f"Stopped: {count} steps kept."
    assert walk_words(stopped, live=False).endswith(UNREPORTED)
    one = Walked(sum_of(), walk_axis(sum_of()), states[0])
    assert walk_words(one, live=True).startswith("1 step so far.")
    shot = Snapshot("x", "study walk", status="done", result=stopped)
    assert (job_view(shot).state, job_view(shot).text) == (
        "cancelled", f"Stopped: {count} steps kept.",
    )  # fmt: skip
    assert walk_words(walked(budget_seconds=3.5), live=False).startswith("The time was up after")


def test_a_method_without_strength_is_refused_in_words() -> None:
    with pytest.raises(RecipeError, match="Average has no λ to step along"):
        walk_axis(make_recipe("linear", "ab", set="tiny"))


def test_whose_steps_they_are() -> None:
    one = walked()
    assert not walk_view(one, sum_of(1.7), TASKS).stale
    assert walk_view(one, sum_of().patched(weights={"a": 0.5}), TASKS).stale


def test_stopped_before_its_first_step() -> None:
    one = walked(CancelAfter(0))
    assert one.points == () and one.ended == "cancelled"
    assert walk_ended_words(one) == "Stopped: no step was tried."
    assert walk_words(one, live=False) == "Stopped: no step was tried."
    job = Snapshot("1", "key", "done", result=one)
    assert (job_view(job).state, job_view(job).text) == ("cancelled", "Stopped: no step was tried.")
    view = walk_view(one, sum_of(), TASKS)
    assert view.tried == () and sweep_figure(view)["table"]["rows"] == []


def test_a_walk_whose_time_was_up_before_its_first_step_says_so() -> None:
    slow, told = TinyMeasure(peak, seconds=1000), []
    found = walk(
        sum_of(), quiet, measure=slow, step=STEP, clock=slow.clock, budget_seconds=60,
        on_step=told.append,
    )  # fmt: skip
    assert found.line.stopped == "budget" and not found.points and told[-1] == found
    one = Walked(sum_of(), walk_axis(sum_of()), found)
    assert walk_words(one, live=False) == "The time was up: no step was tried."
    assert not walk_view(one, sum_of(), TASKS).tried
