"""Proposals: the same for the same seed, inside their ranges, better than where they began."""

from importlib.util import find_spec

import pytest
from tiny_measure import CancelAfter, TinyMeasure, hill, quiet, share, sum_of

from merging.errors import EvaluationError, ParameterError
from merging.jobs import ResultCache
from merging.recipe import Recipe, make_recipe
from merging.search.axis import count_axis, method_axis, parameter_axis
from merging.search.optimise import START, SearchResult, optimise, search_space
from merging.search.pareto import front

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="needs Optuna")


def run(recipe: Recipe, measure: TinyMeasure, report=quiet, **how) -> SearchResult:
    return optimise(recipe, report, measure=measure, clock=measure.clock, **how)


def both(recipe: Recipe) -> dict:
    """As the hill, and expert a is worth less than half of the others."""
    loud = recipe.settings().each["weight"][0]
    return {
        "first": hill(recipe)["first"] & share(1 - 0.2 * abs(loud - 0.4)),
        "second": hill(recipe)["second"],
    }


@needs_optuna
def test_equal_seeds_propose_the_same() -> None:
    found = [
        run(sum_of(), TinyMeasure(), trials=14, seed=seed, axes=search_space(sum_of(), True))
        for seed in (1, 1, 2)
    ]
    asked = [[p.recipe for p in f.points] for f in found]
    assert asked[0] == asked[1] != asked[2]
    assert len(asked[0]) == len(set(asked[0])) == 14


@needs_optuna
def test_proposals_scored_elsewhere_in_any_order_lead_to_the_same() -> None:
    measure, rounds = TinyMeasure(both), []

    def backwards(recipes, report):
        rounds.append(len(recipes))
        for index in reversed(range(len(recipes))):
            yield index, both(recipes[index])

    space = search_space(sum_of(), weights=True)
    there = run(sum_of(), measure, trials=30, axes=space, seed=4, source=backwards)
    here = run(sum_of(), TinyMeasure(both), trials=30, axes=space, seed=4)
    assert measure.tuned == [] and max(rounds) == 4 and sum(rounds) == 30
    assert [p.recipe for p in there.points] == [p.recipe for p in here.points]
    assert (there.front, there.best, there.simplest) == (here.front, here.best, here.simplest)
    for a, b in zip(there.points, here.points, strict=True):
        assert a.shares == b.shares


@needs_optuna
def test_the_front_grows_and_its_best_is_scored_on_the_other_half() -> None:
    measure, seen = TinyMeasure(both), []
    space = search_space(sum_of(), weights=True)
    found = run(sum_of(), measure, trials=40, axes=space, on_point=seen.append, seed=3)
    assert found.ended == "complete" and found.best in found.front
    assert found.points[0].recipe == sum_of() and found.points[0].settings == START
    rows = [[p.accuracy[t].value for t in ("first", "second")] for p in found.points]
    assert found.front == front(rows)
    means = [p.mean.value for p in found.points]
    assert found.best is not None and means[found.best] == max(means) > means[0] + 0.05
    assert found.chosen is not None and found.chosen.half == "reporting"
    assert found.chosen.recipe == found.points[found.best].recipe
    assert [h for _, h in measure.scored].count("reporting") == 1
    assert [len(s.points) for s in seen[:40]] == list(range(1, 41))
    assert all(s.front == front(rows[: len(s.points)]) for s in seen)
    assert found.simplest is not None


@needs_optuna
def test_proposals_stay_on_the_steps_of_the_controls() -> None:
    found = run(sum_of(), TinyMeasure(), trials=20)
    for point in found.points:
        scale = dict(point.recipe.params)["scale"]
        assert 0 <= scale <= 2 and round(scale / 0.05, 6) == round(scale / 0.05)


@needs_optuna
def test_few_settings_end_a_search_early() -> None:
    recipe = sum_of()
    measure = TinyMeasure()
    found = run(recipe, measure, axes=[parameter_axis(recipe, "normalize"), count_axis(recipe)])
    assert found.ended == "complete" and len(found.points) == len(measure.tuned) <= 5


@needs_optuna
def test_a_failing_proposal_names_its_settings_and_the_search_goes_on() -> None:
    def answer(recipe: Recipe):
        if recipe.method == "ties":
            raise EvaluationError("no head")
        return {"first": share(0.5), "second": share(0.6)}

    recipe = make_recipe("dare", "ab", set="tiny")
    axes = [method_axis(["ties", "dare", "task_arithmetic"])]
    found = run(recipe, TinyMeasure(answer), axes=axes)
    assert {p.error for p in found.points} == {"", "TIES: no head"}
    assert len(found.points) == 3 and found.front and found.chosen is not None


@needs_optuna
def test_a_recipe_that_fails_as_it_is_does_not_end_the_search() -> None:
    def answer(recipe: Recipe):
        if recipe == sum_of():
            raise EvaluationError("no head")
        return hill(recipe)

    found = run(sum_of(), TinyMeasure(answer), trials=5)
    assert found.points[0].error == f"{START}: no head"
    assert found.best is not None and len(found.points) == 5


@needs_optuna
def test_a_recipe_outside_of_the_ranges_is_still_the_first_point() -> None:
    recipe = sum_of(5.0)
    found = run(recipe, TinyMeasure(), trials=4)
    assert found.points[0].recipe == recipe and len(found.points) == 4


@needs_optuna
def test_budget_cancel_and_cache() -> None:
    measure, results = TinyMeasure(), ResultCache()
    found = run(sum_of(), measure, budget_seconds=6.5, results=results)
    assert found.ended == "budget" and len(measure.tuned) == 6 and found.chosen is not None
    again = TinyMeasure()
    found = run(sum_of(), again, trials=6, results=results)
    assert again.tuned == [] and again.own_asked == [] and len(found.points) == 6
    stopped = run(sum_of(), TinyMeasure(), CancelAfter(50))
    assert stopped.ended == "cancelled" and len(stopped.points) == 4
    assert stopped.chosen is None and stopped.front


def test_what_may_be_searched() -> None:
    ties = make_recipe("ties", "ab", set="tiny")
    plain = [a.name for a in search_space(ties)]
    assert "scale" in plain and "weight" not in plain
    assert [a.expert for a in search_space(ties, weights=True) if a.name == "weight"] == ["a", "b"]
    assert len(search_space(ties, advanced=True)) > len(plain)
    for name in plain:
        assert not ties.spec.param(name).advanced


def test_what_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"trials is 501; .* from 1 to 500"):
        run(sum_of(), TinyMeasure(), trials=501)
