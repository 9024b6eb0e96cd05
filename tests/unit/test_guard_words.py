"""A guard on held-out tasks as the page tells it: against the sweep's own numbers."""

from dataclasses import replace

from tiny_measure import TinyMeasure, hill, quiet, share, sum_of

from merging.recipe import Recipe, make_recipe
from merging.search.axis import parameter_axis, weight_axis
from merging.search.plan import SweepPlan
from merging.search.sweep import SweepResult, sweep
from ui.charts.sweep import sweep_figure
from ui.charts.sweep_frame import GUARD
from ui.views.guard import (
    Guarded,
    beyond_words,
    guard_words,
    guarded,
    guards,
    held_out,
    marked_beyond,
)
from ui.views.sweep import sweep_view

TASKS = {"first": ("", "First"), "second": ("B", "Second")}
LAMBDAS = parameter_axis(sum_of(), "scale", count=11)  # 0 to 2 in steps of 0.2


def swept(answer=hill, with_base: bool = True) -> SweepResult:
    measure = TinyMeasure(answer)
    plan = SweepPlan(sum_of(), (LAMBDAS,))
    return sweep(plan, quiet, measure=measure, clock=measure.clock, with_base=with_base)


def said(result: SweepResult, bound: str, tasks: tuple[str, ...] = ("second",)) -> str:
    found = guarded(result, tasks, bound)
    assert found is not None
    return guard_words(found, tasks, bound, lambda task: TASKS[task][1])


def test_the_limit_is_the_last_value_before_the_first_that_loses_more() -> None:
    """The base has 24 of 40; the second task 22 at λ = 1.4 and 20 at λ = 1.6."""
    found = guarded(swept(), ("second",), "5")
    assert found is not None and (found.limit, found.stopped_at) == (1.4, 1.6)
    assert found.task == "second" and round(found.drop.value, 9) == 0.1


def test_words_name_limit_task_drop_and_bound() -> None:
    result = swept()
    words = said(result, "5")
    found = guarded(result, ("second",), "5")
    assert words.startswith(f"The guard on held-out tasks (Second) allows λ up to {found.limit:g}:")
    assert f"at λ = {found.stopped_at:g} Second loses {100 * found.drop.value:.1f} points" in words
    assert words.endswith("against the base, more than 5 points.")


def test_a_bound_that_nothing_crosses() -> None:
    high = swept(lambda recipe: {"first": share(0.9), "second": share(0.9)})
    assert said(high, "1") == (
        "Held out (Second): none loses more than 1 point against the base at any λ tried."
    )


def test_a_bound_that_the_first_value_crosses_and_one_that_comes_back() -> None:
    low = swept(lambda recipe: {"first": share(0.9), "second": share(0.2)})
    assert "allows no λ that was tried: at λ = 0 Second loses 40.0 points" in said(low, "10")

    def dip(recipe: Recipe):
        at = float(recipe.settings().common["scale"])
        return {"first": share(0.9), "second": share(0.2 if at == 1 else 0.9)}

    assert said(swept(dip), "2").endswith("which the guard does not trust.")


def test_what_is_beyond_the_guard_is_shaded() -> None:
    result = swept()
    view = sweep_view(result, sum_of(), TASKS)
    plain = sweep_figure(view)
    figure = sweep_figure(replace(view, allowed=1.2))
    shapes = figure["patch"]["shapes"]
    assert len(shapes) == len(plain["patch"]["shapes"]) + 2
    band = next(s for s in shapes if s["type"] == "rect")
    assert (band["x0"], band["x1"]) == (1.2, 2.0)
    assert [s["label"]["text"] for s in shapes if "label" in s and s["x0"] == 1.2] == [GUARD]
    assert "beyond what the guard" in figure["sentence"] not in plain["sentence"]
    assert sweep_figure(replace(view, allowed=2.0))["patch"] == plain["patch"]


def test_without_base_tasks_or_lambda_there_is_nothing_to_guard() -> None:
    assert guarded(swept(with_base=False), ("second",), "5") is None
    assert guarded(swept(), (), "5") is None
    assert guards((LAMBDAS,)) and not guards((LAMBDAS, LAMBDAS))
    assert not guards((weight_axis(sum_of(), "a", (0.0, 1.0)),))


def test_held_out_are_tasks_without_an_expert() -> None:
    recipe = make_recipe("task_arithmetic", "ab", set="tiny")
    task_of = {"a": "t", "b": "u", "c": "v", "all": ""}
    assert held_out(recipe, task_of, ("t", "u", "v", "w")) == ("v", "w")
    every = make_recipe("task_arithmetic", ["a", "all"], set="tiny")
    assert held_out(every, task_of, ("t", "u", "v")) == ()


def test_the_base_is_scored_once_and_only_when_asked() -> None:
    measure = TinyMeasure()
    plan = SweepPlan(sum_of(), (LAMBDAS,))
    for asked in (False, True):
        found = sweep(plan, quiet, measure=measure, clock=measure.clock, with_base=asked)
        assert bool(found.base) == asked and measure.base_asked == ["tuning"] * asked


def test_marked_points_beyond_the_guard_are_named() -> None:
    """The hill is best at λ = 1; the second task has lost 10 of its 60 points at λ = 1.6."""
    result = swept()
    places = {round(p.recipe.settings().number("scale"), 9): i for i, p in enumerate(result.points)}
    limit = guarded(result, ("second",), "5")
    assert limit is not None and limit.limit == 1.4
    found = Guarded(limit, "5", "")

    def at(best: float, simplest: float) -> SweepResult:
        return replace(result, best=places[best], simplest=places[simplest])

    assert marked_beyond(at(1.0, 1.4), found) == ()
    assert marked_beyond(at(1.0, 1.6), found) == ("simplest",)
    assert marked_beyond(at(1.8, 1.6), found) == ("best", "simplest")
    nothing = Guarded(replace(limit, limit=None), "5", "")
    assert marked_beyond(at(0.0, 1.0), nothing) == ("best", "simplest")
    assert beyond_words(("simplest",)) == "The simplest lies beyond it."
    assert beyond_words(("best", "simplest")) == "The best and the simplest lie beyond it."
    assert beyond_words(()) == ""
