"""Declarations: every parameter of every method guards itself and can be shown."""

import math
from dataclasses import replace
from typing import Any

import pytest

from merging.errors import ParameterError, UnknownNameError
from merging.methods.params import WEIGHT, Param
from merging.methods.registry import METHODS, method
from merging.methods.spec import MethodSpec
from merging.recipe import make_recipe

EVERY = [(spec, param) for spec in METHODS for param in (WEIGHT, *spec.params)]
NUMBERS = [(s, p) for s, p in EVERY if not isinstance(p.default, bool | str)]
TEXTS = [(s, p) for s, p in EVERY if isinstance(p.default, str) and not p.choices]
WORDS = [(s, p) for s, p in EVERY if p.choices]
FLAGS = [(s, p) for s, p in EVERY if isinstance(p.default, bool)]


def name(value: object) -> str:
    return str(getattr(value, "id", None) or getattr(value, "name", value))


def test_the_methods_of_the_page_come_first() -> None:
    assert [m.id for m in METHODS[:5]] == ["linear", "task_arithmetic", "ties", "dare", "dare_ties"]
    assert len({m.id for m in METHODS}) == len(METHODS)


@pytest.mark.parametrize(("spec", "param"), EVERY, ids=name)
def test_default_is_accepted_as_it_is(spec: MethodSpec, param: Param) -> None:
    checked = param.check(param.default, "here")
    assert checked == param.default
    assert type(checked) is type(param.default)


@pytest.mark.parametrize(("spec", "param"), EVERY, ids=name)
def test_words_for_people_are_there(spec: MethodSpec, param: Param) -> None:
    assert param.label[0].isupper()
    assert param.help.endswith(".")
    assert param.origin


@pytest.mark.parametrize(("spec", "param"), NUMBERS, ids=name)
def test_slider_lies_inside_the_accepted_range(spec: MethodSpec, param: Param) -> None:
    for end in param.slider:
        assert param.check(end, "here") == end
    assert param.slider[0] <= float(param.default) <= param.slider[1]
    assert 0 < param.step <= param.slider[1] - param.slider[0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf], ids=str)
@pytest.mark.parametrize(("spec", "param"), NUMBERS, ids=name)
def test_numbers_must_be_finite(spec: MethodSpec, param: Param, bad: float) -> None:
    with pytest.raises(ParameterError, match=rf"here: {param.name} is -?(nan|inf).*finite"):
        param.check(bad, "here")


@pytest.mark.parametrize("bad", [True, False, "1", None, [1], {}, b"1", 1j], ids=repr)
@pytest.mark.parametrize(("spec", "param"), NUMBERS, ids=name)
def test_numbers_must_be_numbers(spec: MethodSpec, param: Param, bad: Any) -> None:
    with pytest.raises(ParameterError, match=f"{param.name} is .*must be a number") as caught:
        param.check(bad, "here")
    assert (repr(bad) if bad is not None else "is empty;") in str(caught.value)


@pytest.mark.parametrize(("spec", "param"), NUMBERS, ids=name)
def test_numbers_out_of_range_are_named_with_the_range(spec: MethodSpec, param: Param) -> None:
    edge = param.maximum if param.exclusive else param.maximum + 0.5
    for bad in (param.minimum - 0.5, edge, 10**400, -(10**400)):
        with pytest.raises(ParameterError) as caught:
            param.check(bad, "here")
        assert repr(bad)[:20] in str(caught.value)
        assert f"at least {param.minimum:g}" in str(caught.value)
    assert param.check(param.minimum, "here") == param.minimum
    if not param.exclusive:
        assert param.check(param.maximum, "here") == param.maximum


def test_drop_rate_one_is_refused_but_almost_one_is_not() -> None:
    rate = method("dare").param("drop_rate")
    with pytest.raises(ParameterError, match=r"is 1.0; it must be at least 0 and below 1\."):
        rate.check(1.0, "method dare")
    assert rate.check(0.999999, "method dare") == 0.999999


@pytest.mark.parametrize("bad", ["nonsense", "", None, 0, True, ["sum"], math.nan], ids=repr)
@pytest.mark.parametrize(("spec", "param"), WORDS, ids=name)
def test_words_must_be_known(spec: MethodSpec, param: Param, bad: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        param.check(bad, "here")
    assert repr(bad) in str(caught.value)
    assert all(choice in str(caught.value) for choice in param.choices)


@pytest.mark.parametrize("bad", [0, None, True, ["a"], "a\nb", "x" * 2001, "\0"], ids=repr)
@pytest.mark.parametrize(("spec", "param"), TEXTS, ids=name)
def test_texts_are_short_and_printable(spec: MethodSpec, param: Param, bad: Any) -> None:
    with pytest.raises(ParameterError, match=f"{param.name} is .*must be a text of at most"):
        param.check(bad, "here")
    assert param.check("a, b", "here") == "a, b"


@pytest.mark.parametrize("bad", [0, 1, "true", None, 1.0], ids=repr)
@pytest.mark.parametrize(("spec", "param"), FLAGS, ids=name)
def test_flags_are_true_or_false(spec: MethodSpec, param: Param, bad: Any) -> None:
    with pytest.raises(ParameterError, match="must be true or false"):
        param.check(bad, "here")
    assert param.check(False, "here") is False


def test_whole_numbers_become_floats_and_minus_zero_zero() -> None:
    """Equal values must look equal, for the recipe's hash."""
    assert type(WEIGHT.check(1, "here")) is float
    assert math.copysign(1, float(WEIGHT.check(-0.0, "here"))) == 1


def test_an_integer_parameter_refuses_fractions() -> None:
    steps = Param("steps", "Steps", 3, "", "", minimum=0, maximum=9)
    assert steps.check(4.0, "here") == 4
    assert type(steps.check(4.0, "here")) is int
    with pytest.raises(ParameterError, match=r"steps is 4.5; it must be a whole number"):
        steps.check(4.5, "here")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("lambda", "scale"), ("densty", "density"), ("k", "density"), ("trimscope", "trim_scope")],
)
def test_unknown_parameters_name_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"parameter of ties '{wrong}'.*'{near}'"):
        method("ties").param(wrong)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("tie", "ties"),
        ("DARE", "dare"),
        ("dare_linear", "dare"),
        ("task_arithmetics", "task_arithmetic"),
    ],
)
def test_unknown_methods_name_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"method '{wrong}'. Did you mean '{near}'"):
        method(wrong)


@pytest.mark.parametrize("spec", METHODS, ids=name)
def test_dialects_say_only_what_the_method_declares(spec: MethodSpec) -> None:
    """A misspelt option in a dialect would be filled in and never read."""
    declared = {p.name for p in spec.params}
    for dialect, options in spec.dialects.items():
        assert set(options) <= declared
        for key, value in spec.defaults(dialect).items():
            assert spec.param(key).check(value, dialect) == value
    assert dict(spec.dialects["paper"]) == {}


@pytest.mark.parametrize("spec", METHODS, ids=name)
def test_names_are_unique(spec: MethodSpec) -> None:
    names = [p.name for p in spec.params]
    assert len(set(names)) == len(names)
    assert not set(spec.aliases()) & set(names)


@pytest.mark.parametrize(
    ("spec", "dialect", "option", "value"),
    [
        ("ties", "paper", "density", 0.2),
        ("ties", "mergekit", "density", 1.0),
        ("ties", "mergekit", "combine", "weighted_mean"),
        ("ties", "peft", "trim_rule", "exact"),
        ("dare", "paper", "rescale", "inverse"),
        ("dare", "mergekit", "rescale", "l1"),
        ("dare_ties", "mergekit", "combine", "sum"),
        ("task_arithmetic", "mergekit", "scale", 1.0),
        ("ties", "fusion_bench", "combine", "sum"),
        ("ties", "fusion_bench", "zero_sign", "majority"),
        ("dare", "fusion_bench", "rescale", "inverse"),
        ("dare_ties", "fusion_bench", "density", 0.2),
        ("fisher", "fusion_bench", "floor_rule", "add"),
        ("opcm", "fusion_bench", "zero_diagonal", True),
    ],
)
def test_defaults_of_the_references(spec: str, dialect: str, option: str, value: object) -> None:
    assert method(spec).defaults(dialect)[option] == value


@pytest.mark.parametrize(
    ("spec", "params", "scope"),
    [
        ("linear", {}, "element"),
        ("task_arithmetic", {}, "element"),
        ("ties", {}, "model"),
        ("ties", {"trim_scope": "tensor"}, "tensor"),
        ("dare", {}, "element"),
        ("dare", {"rescale": "l1"}, "tensor"),
        ("dare_ties", {}, "model"),
        ("dare_ties", {"zero_sign": "plus"}, "element"),
        ("dare_ties", {"zero_sign": "plus", "rescale": "l1"}, "tensor"),
        ("dare_ties", {"zero_sign": "plus", "density": 0.5}, "model"),
        ("dare_ties", {"density": 0.5, "trim_scope": "tensor"}, "tensor"),
    ],
)
def test_over_what_a_result_depends(spec: str, params: Any, scope: str) -> None:
    settings = make_recipe(spec, ["a", "b"], params=params).settings()
    assert method(spec).scope(settings) == scope


def test_a_method_has_one_way_to_merge() -> None:
    ties, opcm = method("ties"), method("opcm")
    with pytest.raises(ValueError, match="ties: declare either merge or whole"):
        replace(ties, merge=None)
    with pytest.raises(ValueError, match="opcm: declare either merge or whole"):
        replace(opcm, merge=ties.merge)


@pytest.mark.parametrize("spec", METHODS, ids=name)
def test_what_waits_for_a_flag_names_a_flag(spec: MethodSpec) -> None:
    for param in spec.params:
        if param.when:
            assert isinstance(spec.param(param.when).default, bool)


def test_unknown_dialect_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"dialect for ties 'mergekt'.*'mergekit'"):
        method("ties").defaults("mergekt")
