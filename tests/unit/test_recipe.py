"""The recipe as a value: what is refused, what decides its hash."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from builders import recipes
from hypothesis import given
from hypothesis import strategies as st

from merging.errors import ParameterError, RecipeError, UnknownNameError
from merging.methods.registry import METHODS
from merging.recipe import Expert, Recipe, make_recipe, parse_recipe, read_recipe

TWO = ("digits", "letters")


def test_defaults_of_the_dialect_are_filled_in() -> None:
    settings = make_recipe("ties", TWO, dialect="mergekit").settings()
    assert settings.common["trim_rule"] == "at_least_one"
    assert settings.each["density"] == (1.0, 1.0)
    assert settings.each["weight"] == (1.0, 1.0)


def test_an_experts_own_value_wins_over_the_common_one() -> None:
    own = (Expert("a", params=(("density", 0.7),)), Expert("b"))
    settings = Recipe("ties", own, params=(("density", 0.3),)).settings()
    assert settings.each["density"] == (0.7, 0.3)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        make_recipe("ties", TWO).seed = 3  # type: ignore[misc]


def test_patched_changes_only_what_is_said() -> None:
    recipe = make_recipe("ties", TWO, params={"scale": 0.5}, set="vision")
    other = recipe.patched(params={"density": 0.4}, weights={"letters": 2.0}, seed=4)
    assert dict(other.params) == {"scale": 0.5, "density": 0.4}
    assert [e.weight for e in other.experts] == [1.0, 2.0]
    assert (other.seed, other.set) == (4, "vision")
    assert recipe.seed == 0


# --- Hash -----------------------------------------------------------------------------------------


def test_key_is_that_of_the_first_release() -> None:
    """Saved links and shipped runs are found by this number."""
    recipe = make_recipe("dare", {"a": 1.0, "b": 0.5}, set="vision", seed=3)
    assert recipe.key() == "0df3b5a17a5e2613"


@pytest.mark.parametrize("spec", METHODS, ids=lambda m: m.id)
def test_writing_out_the_defaults_keeps_the_key(spec: Any) -> None:
    names = TWO[: spec.needs.most]
    short = make_recipe(spec.id, names)
    written = replace(short, params=tuple((p.name, p.default) for p in spec.params))
    assert written.key() == short.key()
    own = [(p.name, p.default) for p in spec.params if p.per_expert]
    at_experts = replace(short, experts=tuple(Expert(n, params=tuple(own)) for n in names))
    assert at_experts.key() == short.key()


@given(recipes(), st.randoms(use_true_random=False))
def test_order_of_experts_and_params_keeps_the_key(recipe: Recipe, random: Any) -> None:
    shuffled = list(recipe.experts)
    random.shuffle(shuffled)
    params = list(recipe.params)
    random.shuffle(params)
    assert replace(recipe, experts=tuple(shuffled), params=tuple(params)).key() == recipe.key()


@given(recipes(), st.integers(0, 2**63 - 1))
def test_seed_counts_only_where_something_is_random(recipe: Recipe, seed: int) -> None:
    same = replace(recipe, seed=seed).key() == recipe.key()
    assert same == (not recipe.spec.random or seed == recipe.seed)


def test_minus_zero_and_whole_numbers_keep_the_key() -> None:
    key = make_recipe("ties", {"a": 0.0}, params={"scale": 1.0}).key()
    assert make_recipe("ties", {"a": -0.0}, params={"scale": 1}).key() == key


BASE = make_recipe("ties", {"a": 1.0, "b": 0.5}, set="vision", params={"density": 0.3})


@pytest.mark.parametrize(
    "other",
    [
        BASE.patched(params={"density": 0.30000001}),
        BASE.patched(params={"scale": 0.9}),
        BASE.patched(params={"trim_scope": "tensor"}),
        BASE.patched(weights={"a": 0.9}),
        BASE.patched(weights={"a": 0.5, "b": 1.0}),
        BASE.patched(set="text"),
        BASE.patched(set=None),
        BASE.patched(set=None, base="vision"),
        BASE.patched(dtype="float16"),
        BASE.patched(dialect="peft"),
        BASE.patched(experts=BASE.experts[:1]),
        BASE.patched(experts=(*BASE.experts, Expert("c", 0.0))),
        BASE.patched(experts=(replace(BASE.experts[0], params=(("density", 0.1),)), Expert("b"))),
    ],
    ids=lambda r: r.key(),
)
def test_anything_else_changes_the_key(other: Recipe) -> None:
    assert other.key() != BASE.key()


# --- Refused --------------------------------------------------------------------------------------


def test_no_expert() -> None:
    with pytest.raises(RecipeError, match="No expert is chosen"):
        Recipe("ties", ())


def test_too_many_experts() -> None:
    make_recipe("ties", [str(i) for i in range(64)])
    with pytest.raises(RecipeError, match="at most 64 experts; 65 are given"):
        make_recipe("ties", [str(i) for i in range(65)])


def test_an_expert_listed_twice() -> None:
    with pytest.raises(RecipeError, match="Expert 'a' is listed twice"):
        Recipe("ties", (Expert("a"), Expert("b"), Expert("a", 0.5)))


@pytest.mark.parametrize("bad", ["", "a\nb", "a\x00", "\x7f", "\ud800", "a" * 501, 5, None])
def test_names_of_experts(bad: Any) -> None:
    with pytest.raises(RecipeError, match="expert id"):
        Recipe("ties", (Expert(bad),))


@pytest.mark.parametrize("field", ["set", "base"])
@pytest.mark.parametrize("bad", ["", "a\tb", "x" * 501, 5])
def test_names_of_sets_and_bases(field: str, bad: Any) -> None:
    with pytest.raises(RecipeError, match=field):
        make_recipe("ties", TWO, **{field: bad})


def test_a_set_and_a_base() -> None:
    with pytest.raises(RecipeError, match="names a set and a base"):
        make_recipe("ties", TWO, set="vision", base="./base")


@pytest.mark.parametrize("bad", [-1, 2**63, True, 1.0, "1", None], ids=repr)
def test_seeds(bad: Any) -> None:
    with pytest.raises(ParameterError, match="seed is") as caught:
        make_recipe("dare", TWO, seed=bad)
    assert ("empty" if bad is None else str(bad)) in str(caught.value)


def test_dtypes() -> None:
    with pytest.raises(UnknownNameError, match=r"dtype 'bfloat17'\. Did you mean 'bfloat16'"):
        make_recipe("ties", TWO, dtype="bfloat17")


def test_dialects_are_checked_at_once() -> None:
    with pytest.raises(UnknownNameError, match="dialect for linear 'peft'"):
        make_recipe("linear", TWO, dialect="peft")


def test_misplaced_and_misspelt_names_are_told_apart() -> None:
    recipe = (
        "format: merge-explorer/1\nset: gentle\nmethod: ties\nexperts: [{id: digits, wieght: 2}]"
    )
    with pytest.raises(UnknownNameError, match=r"'wieght'\. Did you mean 'weight'"):
        parse_recipe(recipe)
    beside = recipe.replace("wieght", "weight") + "\ndensity: 0.4"
    with pytest.raises(RecipeError, match="density stands beside params; it belongs under params"):
        parse_recipe(beside)
    assert parse_recipe(beside.replace("\ndensity: 0.4", "")).experts[0].weight == 2


def test_unknown_parameters_and_methods_name_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'densty'\. Did you mean 'density'"):
        make_recipe("ties", TWO, params={"densty": 0.5})
    with pytest.raises(UnknownNameError, match=r"'tise'\. Did you mean 'ties'"):
        make_recipe("tise", TWO)


@pytest.mark.parametrize("bad", [True, float("nan"), 11.0, "loud"], ids=repr)
def test_messages_name_expert_and_value(bad: Any) -> None:
    with pytest.raises(ParameterError, match="expert 'digits': weight is") as caught:
        Recipe("ties", (Expert("digits", bad),))
    assert str(bad) in str(caught.value)


def test_messages_name_method_and_value() -> None:
    with pytest.raises(ParameterError, match=r"method ties: density is 1\.2; .* at most 1"):
        make_recipe("ties", TWO, params={"density": 1.2})
    with pytest.raises(ParameterError, match=r"expert 'a': density is -0\.1"):
        Recipe("ties", (Expert("a", params=(("density", -0.1),)),))


def test_weight_belongs_to_the_expert() -> None:
    with pytest.raises(UnknownNameError, match="weight belongs to each expert"):
        make_recipe("ties", TWO, params={"weight": 0.5})


def test_a_weight_among_an_experts_params_is_not_passed_over() -> None:
    with pytest.raises(RecipeError, match="weight"):
        Recipe("ties", (Expert("a", 1.0, (("weight", 5.0),)),))


def test_common_parameters_cannot_stand_at_an_expert() -> None:
    with pytest.raises(RecipeError, match="'a': scale is one value for all experts"):
        Recipe("ties", (Expert("a", params=(("scale", 0.5),)),))


# --- Combinations that contradict each other ------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params"),
    [("linear", {}), ("task_arithmetic", {"normalize": True}), ("dare", {"normalize": True})],
)
def test_weights_that_sum_to_zero_and_would_be_divided_by(method: str, params: Any) -> None:
    with pytest.raises(ParameterError, match="weights sum to 0 and would be divided by"):
        make_recipe(method, {"a": 1.0, "b": -1.0}, params=params)
    make_recipe(method, {"a": 1.0, "b": -1.0}, params={"normalize": False})


@pytest.mark.parametrize("method", ["ties", "dare_ties"])
def test_negative_weights_and_a_sum_of_weights(method: str) -> None:
    weights, params = {"a": 1.0, "b": -0.5}, {"combine": "weighted_mean"}
    with pytest.raises(ParameterError, match=r"A weight is -0\.5"):
        make_recipe(method, weights, params=params)
    with pytest.raises(ParameterError, match=r"A weight is -0\.5"):
        make_recipe(method, weights, params={**params, "voters": "weighted"})
    signed = {**params, "voters": "weighted"}
    make_recipe(method, weights, params=signed, dialect="mergekit")
    make_recipe(method, weights)


@pytest.mark.parametrize("rule", ["exact", "at_least_one"])
def test_global_trim_needs_a_threshold_rule(rule: str) -> None:
    with pytest.raises(ParameterError, match=f"trim_rule {rule} counts within one tensor"):
        make_recipe("ties", TWO, params={"trim_rule": rule})
    make_recipe("ties", TWO, params={"trim_rule": rule, "trim_scope": "tensor"})


def test_a_misspelt_key_that_tells_the_format() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'merge_method' by 'merge_metod'"):
        read_recipe("merge_metod: ties\nmodels: []\n")
