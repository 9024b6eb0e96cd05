"""Controls to recipe and back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.errors import ParameterError, RecipeError
from merging.methods.registry import method
from merging.recipe import make_recipe
from ui.settings import SHOWN, control_keys, default_values, from_recipe, to_recipe

EXPERTS = ("digits", "fashion", "optical")
START = default_values("gentle", EXPERTS)


def test_every_parameter_has_one_control_in_the_order_of_the_page() -> None:
    keys = control_keys()
    assert keys == tuple((s.id, p.name) for s in SHOWN for p in s.params)
    assert len(set(keys)) == len(keys) and set(START.params) == set(keys)


@pytest.mark.parametrize("name", [spec.id for spec in SHOWN])
def test_untouched_controls_are_the_method_at_its_presets(name: str) -> None:
    recipe = to_recipe(replace(START, method=name))
    assert recipe == make_recipe(name, EXPERTS, set="gentle")
    assert recipe.settings().common == method(name).defaults("paper")


@given(
    name=st.sampled_from([spec.id for spec in SHOWN]),
    on=st.sets(st.sampled_from(EXPERTS), min_size=1),
    weight=st.sampled_from([0.25, 1.0, 2.0]),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_recipe_and_back(name: str, on: set[str], weight: float, seed: int, data) -> None:
    dialect = data.draw(st.sampled_from(sorted(method(name).dialects)))
    values = replace(
        START,
        method=name,
        on=frozenset(on),
        weights={**START.weights, sorted(on)[0]: weight},
        seed=seed,
        dialects={**START.dialects, name: dialect},
    )
    recipe = to_recipe(values)
    assert to_recipe(from_recipe(recipe, START)) == recipe


def test_a_dialect_changes_what_is_not_said() -> None:
    values = replace(START, method="ties", dialects={**START.dialects, "ties": "mergekit"})
    recipe = to_recipe(values)
    assert recipe.settings().word("combine") == "mean"
    assert dict(recipe.params)["combine"] == "mean"


def test_out_of_range_is_refused_with_its_name() -> None:
    values = replace(START, method="ties", params={**START.params, ("ties", "density"): 1.5})
    with pytest.raises(ParameterError, match=r"method ties: density is 1.5"):
        to_recipe(values)


def test_nothing_on_is_refused() -> None:
    with pytest.raises(RecipeError, match="No expert is chosen"):
        to_recipe(replace(START, on=frozenset()))


def test_dtype_has_no_control() -> None:
    with pytest.raises(RecipeError, match="dtype float32"):
        from_recipe(make_recipe("ties", EXPERTS, set="gentle", dtype="float32"), START)
