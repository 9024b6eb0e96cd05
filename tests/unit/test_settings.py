"""Controls to recipe and back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.errors import ParameterError, RecipeError
from merging.methods.registry import METHODS, method
from merging.recipe import make_recipe
from merging.recipe.local import Curve, Local, Rule
from ui.settings import (
    ControlValues,
    MethodValues,
    default_values,
    fitted,
    from_recipe,
    preset,
    to_recipe,
)

EXPERTS = ("digits", "fashion", "optical")
START = default_values("gentle", EXPERTS)
NAMES = [spec.id for spec in METHODS]


def chosen(name: str, **params: object) -> ControlValues:
    """The page at a method's presets, some settings moved."""
    values = fitted(replace(START, method=name))
    return values.having(MethodValues("paper", {**values.chosen.params, **params}))


@pytest.mark.parametrize("name", NAMES)
def test_untouched_controls_are_the_method_at_its_presets(name: str) -> None:
    recipe = to_recipe(chosen(name))
    on = EXPERTS[: method(name).needs.most]
    assert recipe == make_recipe(name, on, set="gentle")
    assert recipe.settings().common == method(name).defaults("paper")


@given(
    name=st.sampled_from(NAMES),
    on=st.sets(st.sampled_from(EXPERTS), min_size=1),
    weight=st.sampled_from([0.25, 1.0, 2.0]),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_recipe_and_back(name: str, on: set[str], weight: float, seed: int, data) -> None:
    spec = method(name)
    values = fitted(replace(START, method=name, on=frozenset(on), seed=seed))
    first = min(values.on)
    if spec.weighted:
        values = replace(values, weights={**values.weights, first: weight})
    own = {p.name: {first: p.default} for p in spec.params if p.per_expert}
    dialect = data.draw(st.sampled_from(sorted(spec.dialects)))
    values = values.having(replace(preset(spec, dialect), own=own))
    values = replace(values, order=tuple(data.draw(st.permutations(EXPERTS))))
    recipe = to_recipe(values)
    assert recipe.dialect == dialect and recipe.seed == seed
    assert to_recipe(from_recipe(recipe, START)) == recipe


def test_weights_are_kept_for_later_and_not_sent_where_there_are_none() -> None:
    values = replace(chosen("greedy_soup"), weights={**START.weights, "digits": 0.5})
    assert [e.weight for e in to_recipe(values).experts] == [1.0, 1.0, 1.0]
    values = replace(values, method="ties")
    assert [e.weight for e in to_recipe(values).experts] == [0.5, 1.0, 1.0]


def test_methods_keep_their_settings_while_others_are_chosen() -> None:
    values = replace(chosen("ties", density=0.7), method="dare")
    assert to_recipe(values) == make_recipe("dare", EXPERTS, set="gentle")
    assert to_recipe(replace(values, method="ties")).settings().number("density") == 0.7


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("slerp", {"digits", "fashion", "optical"}, {"digits", "fashion"}),
        ("slerp", {"optical"}, {"digits", "optical"}),
        ("wise_ft", {"fashion", "optical"}, {"fashion"}),
        ("model_stock", {"optical"}, {"digits", "optical"}),
        ("ties", {"optical"}, {"optical"}),
    ],
)
def test_a_method_gets_as_many_experts_as_it_takes(name: str, before: set, after: set) -> None:
    values = replace(START, method=name, on=frozenset(before))
    assert fitted(values).on == frozenset(after)


def test_order_counts_only_where_the_method_minds() -> None:
    turned = replace(chosen("opcm"), order=("optical", "digits"))
    assert [e.id for e in to_recipe(turned).experts] == ["optical", "digits", "fashion"]
    assert to_recipe(from_recipe(to_recipe(turned), START)) == to_recipe(turned)
    assert [e.id for e in to_recipe(replace(turned, method="ties")).experts] == list(EXPERTS)
    strange = replace(turned, order=("nobody", "digits", "digits", "fashion"))
    assert [e.id for e in to_recipe(strange).experts] == ["digits", "fashion", "optical"]


def test_experts_come_back_with_the_next_method() -> None:
    two = fitted(replace(START, method="slerp"))
    assert fitted(replace(two, method="wise_ft")).on == frozenset({"digits"})
    assert fitted(replace(two, method="ties")).on == frozenset(EXPERTS)
    assert fitted(replace(two, method="ties")).before == frozenset()
    alone = fitted(replace(START, method="model_stock", on=frozenset({"optical"})))
    assert fitted(replace(alone, method="ties")).on == frozenset({"optical"})
    touched = replace(two, on=frozenset({"digits", "optical"}), before=frozenset())
    assert fitted(replace(touched, method="ties")).on == frozenset({"digits", "optical"})


def test_values_of_single_experts() -> None:
    values = chosen("ties")
    values = values.having(replace(values.chosen, own={"density": {"fashion": 0.5}}))
    assert to_recipe(values).settings().each["density"] == (0.2, 0.5, 0.2)
    without = replace(values, on=frozenset({"digits"}))
    assert to_recipe(without) == make_recipe("ties", ["digits"], set="gentle")


def test_a_dialect_changes_what_is_not_said() -> None:
    values = replace(START, method="ties")
    paper_settings = replace(preset(method("ties")), dialect="mergekit")
    recipe = to_recipe(values.having(paper_settings))
    assert recipe.settings().word("combine") == "mean"
    assert dict(recipe.params)["combine"] == "mean"


def test_out_of_range_is_refused_with_its_name() -> None:
    with pytest.raises(ParameterError, match=r"method ties: density is 1.5"):
        to_recipe(chosen("ties", density=1.5))


def test_nothing_on_is_refused() -> None:
    with pytest.raises(RecipeError, match="No expert is chosen"):
        to_recipe(replace(START, on=frozenset()))


def test_dtype_has_no_control() -> None:
    with pytest.raises(RecipeError, match="dtype float32"):
        from_recipe(make_recipe("ties", EXPERTS, set="gentle", dtype="float32"), START)


def test_values_that_have_no_control_are_refused_in_words() -> None:
    local = (Local("weight", (Rule(Curve((0.0, 1.0))),), "digits"),)
    curved = replace(make_recipe("ties", EXPERTS, set="gentle"), local=local)
    said = "The page does not follow values by layer or tensor, and weight"
    with pytest.raises(RecipeError, match=said):
        from_recipe(curved, START)
    other = replace(make_recipe("ties", EXPERTS, set="gentle"), tokenizer="union")
    with pytest.raises(RecipeError, match="asks for a tokenizer"):
        from_recipe(other, START)
