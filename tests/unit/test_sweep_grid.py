"""A sweep of two axes: its grid, its cells' keys, the present pair, whose points they are."""

from dataclasses import replace

import pytest
from tiny_measure import CancelAfter, TinyMeasure, quiet, share, sum_of

from merging.errors import EvaluationError
from merging.recipe import Recipe, make_recipe
from merging.search.axis import count_axis, method_axis, parameter_axis, seed_axis, weight_axis
from merging.search.plan import SweepPlan
from merging.search.sweep import SweepResult, sweep
from ui.charts.sweep_grid import grid_figure
from ui.views.axes import COARSE, axes_offered, together
from ui.views.sweep import belongs
from ui.views.sweep_grid import GridView, grid_view
from ui.views.sweep_words import estimate_words, how_many, verdict_words

TASKS = {"first": ("A", "First"), "second": ("B", "Second")}


def slope(recipe: Recipe) -> dict:
    """Better with λ up to 1, and with a light first expert."""
    at, weight = float(recipe.settings().common["scale"]), recipe.experts[0].weight
    right = 0.8 - 0.3 * abs(at - 1) - 0.2 * weight
    return {task: share(right) for task in TASKS}


def swept(report=quiet, measure: TinyMeasure | None = None) -> SweepResult:
    recipe = sum_of()
    axes = parameter_axis(recipe, "scale", count=5), weight_axis(recipe, "a", count=3)
    measure = measure or TinyMeasure(slope)
    return sweep(SweepPlan(recipe, axes), report, measure=measure, clock=measure.clock)


def view_of(result: SweepResult, recipe: Recipe | None = None) -> GridView:
    return grid_view(result, recipe or result.plan.recipe, TASKS)


def test_cells_hold_means_and_keys_of_their_recipes() -> None:
    result = swept()
    cells, numbers, *marks = grid_figure(view_of(result))["data"]
    assert len(cells["z"]) == 3 and {len(row) for row in cells["z"]} == {5}
    for point in result.points:
        i, j = point.at
        assert cells["z"][j][i] == pytest.approx(100 * point.mean.value, abs=0.01)
        assert cells["customdata"][j][i] == point.recipe.key()
        assert cells["text"][j][i] == point.settings
    assert cells["text"][1][2] == "λ = 1, Weight of a = 1"
    # By hand: at λ = 1 and weight 0 32 of 40 are right, of the own experts' 36.
    assert cells["z"][0][2] == pytest.approx(100 * 32 / 36, abs=0.01)
    assert len(numbers["text"]) == 15 and numbers["text"][2] == "89"
    best = marks[-1]
    assert best["name"] == "best" and best["marker"]["symbol"] == "diamond"
    assert (round(best["x"][0]), round(best["y"][0])) == (2, 0)
    assert len(marks) == 1  # without its first expert it is the simplest as well


def test_a_simpler_pair_within_noise_has_a_square() -> None:
    def answer(recipe: Recipe) -> dict:
        at, weight = float(recipe.settings().common["scale"]), recipe.experts[0].weight
        return {task: share(0.8 - 0.3 * abs(at - 1) - 0.025 * (2 - weight)) for task in TASKS}

    figure = grid_figure(view_of(swept(measure=TinyMeasure(answer))))
    simple, best = figure["data"][2:]
    assert (simple["marker"]["symbol"], best["marker"]["symbol"]) == ("square", "diamond")
    assert (round(simple["x"][0]), round(simple["y"][0])) == (2, 1)
    assert (round(best["x"][0]), round(best["y"][0])) == (2, 2)
    assert "■ simplest within noise" in figure["sentence"]


def test_a_part_of_it_leaves_holes() -> None:
    result = swept(report=CancelAfter(60))
    done = len(result.points)
    assert 0 < done < 15
    cells = grid_figure(view_of(result))["data"][0]
    assert sum(v is not None for row in cells["z"] for v in row) == done
    words = verdict_words(result, live=False)
    assert words.startswith(f"Stopped: {done} of 15 pairs were tried and are kept.")


def test_pairs_that_fail_say_why() -> None:
    def answer(recipe: Recipe) -> dict:
        if recipe.experts[0].weight == 2:
            raise EvaluationError("too loud.")
        return slope(recipe)

    view = view_of(swept(measure=TinyMeasure(answer)))
    assert len(view.tried) == 10 and len(view.failed) == 5
    assert "λ = 0, Weight of a = 2: too loud." in view.failed
    assert grid_figure(view)["data"][0]["z"][2] == [None] * 5


def test_the_present_pair_moves_alone() -> None:
    result = swept()
    here, there = (
        grid_figure(view_of(result, sum_of(scale).patched(weights={"a": 0.5})))
        for scale in (0.5, 1.75)
    )
    assert here["data"] == there["data"] and here["revision"] == there["revision"]
    (shape,) = here["patch"]["shapes"]
    assert ((shape["x0"] + shape["x1"]) / 2, (shape["y0"] + shape["y1"]) / 2) == (1.0, 0.5)
    (shape,) = there["patch"]["shapes"]
    assert (shape["x0"] + shape["x1"]) / 2 == 3.5
    off = grid_figure(view_of(result, sum_of(5.0)))
    assert off["patch"]["shapes"] == [] and "other settings" not in off["sentence"]


def test_whose_pairs_they_are() -> None:
    result = swept()
    assert belongs(result, sum_of(1.3).patched(weights={"a": 0.7}))
    other = sum_of(1.3).patched(weights={"b": 0.7})
    assert not belongs(result, other)
    stale = grid_figure(view_of(result, other))
    assert stale["data"][0]["opacity"] == 0.5 and stale["patch"]["shapes"] == []
    assert "other settings than yours (Task arithmetic · λ 0.3 · 3 experts)" in stale["sentence"]
    recipe = make_recipe("ties", "abc", set="tiny")
    plan = SweepPlan(recipe, (method_axis(["linear", "ties"]), count_axis(recipe)))
    counted = SweepResult(plan)
    assert belongs(counted, make_recipe("linear", "ab", set="tiny"))
    assert not belongs(counted, make_recipe("linear", "ac", set="tiny"))


def test_numbers_of_the_table() -> None:
    result = swept()
    table = grid_figure(view_of(result))["table"]
    assert table["columns"][:2] == ["Strength λ", "Weight of a"] and len(table["rows"]) == 15
    best = result.points[result.best]
    row = next(r for r in table["rows"] if r[:2] == ["1", "0"])
    assert row[2] == f"{100 * best.mean.value:.1f}" and "best" in row[-1]


def test_axes_of_a_pair_are_coarse() -> None:
    recipe = make_recipe("dare", "abc", set="tiny")
    coarse = axes_offered(recipe, (), count=COARSE)
    assert coarse["drop_rate"].values == (0.0, 0.2, 0.4, 0.6, 0.8, 0.99)
    assert coarse["weight.a"].values == tuple(i / 4 for i in range(9))
    pair = coarse["drop_rate"], coarse["weight.a"]
    assert how_many(*pair) == "54 pairs"
    assert estimate_words(pair, 75, 60) == (
        "54 pairs, about 1 min 15 s; it stops at 60 s with what is done"
    )


def test_what_goes_together() -> None:
    recipe = make_recipe("dare", "abc", set="tiny")
    scale, weight = parameter_axis(recipe, "scale"), weight_axis(recipe, "c")
    count, seed, method = count_axis(recipe), seed_axis(recipe), method_axis(["dare", "ties"])
    assert together(scale, weight) and together(scale, count) and together(seed, weight)
    assert together(method, count) and not together(method, scale)
    assert not together(count, weight) and not together(method, seed)
    draws = SweepResult(SweepPlan(recipe, (scale, seed)))
    assert replace(view_of(draws), tried=()).simplest == ""
