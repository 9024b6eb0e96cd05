"""Axes: their values, the recipe at each, and what is refused."""

import itertools

import pytest
from builders import PLAIN
from hypothesis import given
from hypothesis import strategies as st
from tiny_measure import sum_of

from merging.errors import ParameterError, RecipeError, UnknownNameError
from merging.methods.registry import METHODS
from merging.recipe import Expert, make_recipe
from merging.search.axis import (
    MOST_VALUES,
    count_axis,
    method_axis,
    parameter_axis,
    seed_axis,
    weight_axis,
    with_method,
)

RUNNING = [s for s in PLAIN if s.needs.most is None or s.needs.most > 1]


def test_lambda_goes_over_its_slider_in_steps_of_its_control() -> None:
    axis = parameter_axis(sum_of(), "scale")
    assert axis.values == tuple(round(i / 10, 9) for i in range(21))
    assert (axis.label, axis.symbol, axis.unit) == ("Strength λ", "λ", "")
    assert axis.text(axis.values[3]) == "λ = 0.3"
    assert dict(axis.at(sum_of(), 0.7).params)["scale"] == 0.7


def test_ends_are_kept_though_steps_do_not_reach_them() -> None:
    axis = parameter_axis(sum_of(), "scale", count=4, low=0.02, high=1.01)
    assert axis.values == (0.02, 0.35, 0.7, 1.01)


def test_a_slider_that_its_steps_do_not_divide_gets_round_numbers() -> None:
    """A drop rate goes to 0.99: twentieths of that are no numbers that its control shows."""
    rate = parameter_axis(make_recipe("dare", "ab"), "drop_rate")
    assert rate.values == (*(round(i / 20, 9) for i in range(20)), 0.99)
    density = parameter_axis(make_recipe("ties", "ab"), "density")
    assert density.values == (0.01, *(round(i / 20, 9) for i in range(1, 21)))
    five = parameter_axis(make_recipe("dare", "ab"), "drop_rate", count=5)
    assert five.values == (0.0, 0.5, 0.99)
    rounds = parameter_axis(make_recipe("karcher", "ab"), "rounds")
    assert rounds.values == (1, *range(5, 101, 5))


def test_whole_numbers_choices_and_switches_have_their_own_values() -> None:
    ties = make_recipe("ties", "abc")
    for param in ties.spec.params:
        if param.choices and param in ties.spec.active(ties.settings()):
            assert parameter_axis(ties, param.name).values == param.choices
    assert parameter_axis(sum_of(), "normalize").values == (False, True)
    soup = make_recipe("fedavg", "ab")
    axis = parameter_axis(soup, "samples", expert="b", low=1, high=5, count=9)
    assert axis.values == (1, 2, 3, 4, 5)
    assert axis.at(soup, 4).settings().each["samples"] == (1, 4)


def test_a_weight_is_of_one_expert() -> None:
    recipe = make_recipe("ties", {"a": 0.5, "b": 2.0})
    axis = weight_axis(recipe, "b", count=5)
    assert axis.values == (0.0, 0.5, 1.0, 1.5, 2.0)
    assert axis.label == "Weight of b" and axis.text(0.5) == "Weight of b = 0.5"
    assert axis.at(recipe, 1.5).settings().each["weight"] == (0.5, 1.5)


def test_one_value_for_all_replaces_the_experts_own() -> None:
    plain = make_recipe("ties", "ab")
    own = [p for p in plain.spec.params if p.per_expert and not p.own]
    name = own[0].name
    recipe = plain.patched(experts=(Expert("a", params=((name, 0.4),)), Expert("b")))
    axis = parameter_axis(recipe, name, values=(0.1, 0.9))
    assert axis.at(recipe, 0.9).settings().each[name] == (0.9, 0.9)
    single = parameter_axis(recipe, name, values=(0.1,), expert="b")
    assert single.at(recipe, 0.1).settings().each[name] == (0.4, 0.1)


def test_the_number_of_experts_keeps_their_order() -> None:
    recipe = make_recipe("ties", ["c", "a", "b", "d"])
    axis = count_axis(recipe)
    assert axis.values == (2, 3, 4) and axis.text(3) == "3 experts"
    assert [e.id for e in axis.at(recipe, 3).experts] == ["c", "a", "b"]


def test_a_method_brings_its_own_settings_and_keeps_the_weights() -> None:
    recipe = make_recipe("ties", {"a": 0.5, "b": 1.0}, set="s", params={"scale": 0.7}, seed=3)
    axis = method_axis(["ties", "task_arithmetic", "karcher"])
    assert axis.at(recipe, "ties") == recipe
    other = axis.at(recipe, "task_arithmetic")
    assert other == make_recipe("task_arithmetic", {"a": 0.5, "b": 1.0}, set="s", seed=3)
    assert axis.text("task_arithmetic") == "Task arithmetic"


@given(st.sampled_from(RUNNING))
def test_every_method_that_takes_two_experts_takes_a_recipe_of_two(spec) -> None:
    recipe = with_method(make_recipe("ties", {"a": 0.5, "b": 1.5}, set="s"), spec.id)
    assert recipe.method == spec.id and [e.id for e in recipe.experts] == ["a", "b"]
    assert [e.weight for e in recipe.experts] == ([0.5, 1.5] if spec.weighted else [1, 1])


def test_seeds_follow_the_recipes() -> None:
    recipe = make_recipe("dare", "ab", seed=7)
    axis = seed_axis(recipe, 3)
    assert axis.values == (7, 8, 9)
    assert axis.at(recipe, 9) == make_recipe("dare", "ab", seed=9)


@given(st.sampled_from(PLAIN), st.integers(1, MOST_VALUES), st.data())
def test_every_parameter_of_every_method_gives_valid_values(spec, count, data) -> None:
    least = max(spec.needs.experts, 1)
    recipe = make_recipe(spec.id, "abcd"[: max(least, min(2, spec.needs.most or 2))])
    todo = [
        p for p in spec.active(recipe.settings()) if p.choices or not isinstance(p.default, str)
    ]
    if not todo:
        return
    param = data.draw(st.sampled_from(todo))
    axis = parameter_axis(recipe, param.name, count=count, expert="a" if param.own else "")
    assert 1 <= len(axis.values) <= max(count, len(param.choices), 2)
    assert len(set(axis.values)) == len(axis.values)
    for value in axis.values:
        assert param.check(value, "") == value
        assert type(value) is type(param.default)
        if not isinstance(value, str | bool):
            assert param.slider[0] <= value <= param.slider[1]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda r: parameter_axis(r, "lambda"), "Did you mean 'scale'"),
        (lambda r: parameter_axis(r, "weight"), "Weight belongs to each expert. Say which"),
        (lambda r: parameter_axis(r, "scale", expert="a"), "one value for all experts"),
        (lambda r: weight_axis(r, "z"), "Unknown expert of the recipe 'z'"),
        (lambda r: parameter_axis(r, "scale", values=[0.1, 99.0]), "scale is 99.0; it must be"),
        (lambda r: parameter_axis(r, "scale", low=5, high=99), "scale is 99"),
        (lambda r: parameter_axis(r, "scale", low=1, high=0), "1 to 0 is no range"),
        (lambda r: parameter_axis(r, "scale", count=102), "values is 102; .* from 1 to 101"),
        (lambda r: parameter_axis(r, "scale", values=[]), "values is 0; .* from 1"),
        (lambda r: seed_axis(r.patched(method="dare", params={}), 102), "values is 102"),
        (lambda r: method_axis(itertools.repeat("ties")), "values is 102"),
        (lambda r: parameter_axis(r, "scale", values=[1.0, 1]), "1.0 is listed twice"),
        (lambda r: seed_axis(r), "Task arithmetic draws nothing at random"),
        (lambda r: count_axis(r, least=3), "There are 3 experts, so their number"),
        (lambda r: method_axis(["ties", "tise"]), "Unknown method 'tise'"),
        (lambda r: seed_axis(make_recipe("dare", "ab"), 0), "values is 0"),
        (lambda r: weight_axis(make_recipe("greedy_soup", "ab"), "a"), "no weights to vary"),
    ],
)
def test_what_is_refused(build, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build(sum_of())


def test_what_means_nothing_is_no_axis() -> None:
    for spec in METHODS:
        off = [p for p in spec.params if p.when and not spec.defaults("paper")[p.when]]
        if off and not spec.needs.model:
            recipe = make_recipe(spec.id, "ab")
            with pytest.raises(RecipeError, match=r"changes nothing while .* is off"):
                parameter_axis(recipe, off[0].name)
            return
    raise AssertionError("no method has such a parameter")


def test_a_value_that_the_recipe_refuses_says_so() -> None:
    with pytest.raises(ParameterError):
        parameter_axis(sum_of(), "scale").at(sum_of(), 11.0)
    with pytest.raises(UnknownNameError, match="expert of the recipe"):
        weight_axis(sum_of(), "c").at(make_recipe("ties", "ab"), 1.0)
