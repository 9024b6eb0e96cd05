"""Every weighted method under weights that cancel, vanish or are negative: a limit or a refusal."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from builders import same_bits
from test_edges import BASE, TRIO, WEIGHTED, ZERO, concrete, finite_or_refused, merged, recipe_for

from merging.errors import CompatibilityError, MergeError, ParameterError
from merging.methods.registry import method
from merging.methods.spec import MethodSpec
from merging.recipe import Expert, Recipe

WEIGHTS = {
    "cancel": [1.0, -1.0, 0.0],
    "all zero": [0.0, 0.0, 0.0],
    "one negative": [1.0, -0.5, 0.25],
    "all negative": [-1.0, -1.0, -2.0],
    "one alone": [0.0, 0.0, 1.0],
    "almost cancel": [1.0, -0.4, -0.6],
}


def forms(names: list[str]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every dialect, with and without division by the sum of weights."""
    return [
        (spec.id, dialect, params)
        for spec in map(method, names)
        for dialect in spec.dialects
        for params in ([{}, {"normalize": True}, {"normalize": False}] if divides(spec) else [{}])
    ]


def divides(spec: MethodSpec) -> bool:
    return spec.id != "fisher" and "normalize" in {p.name for p in spec.params}


@pytest.mark.parametrize(("name", "dialect", "params"), forms(WEIGHTED))
@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("models", ["random", "first is zero"])
def test_odd_weights(
    name: str, dialect: str, params: dict[str, Any], kind: str, models: str
) -> None:
    spec = method(name)
    chosen = TRIO if models == "random" else [ZERO, *TRIO[1:]]
    try:
        recipe = replace(recipe_for(spec, weights=WEIGHTS[kind], **params), dialect=dialect)
        found = merged(recipe, BASE, chosen)
    except MergeError as error:
        assert isinstance(error, ParameterError | CompatibilityError), error
        assert concrete(spec, error), error
        assert "does not fit float32" not in str(error), error
        return
    assert all(bool(t.isfinite().all()) for t in found.values())


ZERO_SUM = "The weights sum to 0 and would be divided by. Raise one of them,"
NEGATIVE = (
    "A weight is -0.5, and the method divides by a sum of weights that it could bring to zero "
    "anywhere. Use weights of at least 0."
)


@pytest.mark.parametrize(
    ("name", "kind", "params", "message"),
    [
        ("linear", "cancel", {}, f"{ZERO_SUM} or switch off normalize."),
        ("task_arithmetic", "cancel", {"normalize": True}, f"{ZERO_SUM} or switch off normalize."),
        ("multislerp", "cancel", {}, f"{ZERO_SUM} the method needs their shares."),
        ("sparse_soup", "all zero", {}, f"{ZERO_SUM} the method needs their shares."),
        ("fisher", "all zero", {}, f"{ZERO_SUM} the method needs their shares."),
        ("fisher", "one negative", {}, NEGATIVE),
        ("karcher", "one negative", {}, NEGATIVE),
    ],
)
def test_refused_weights_are_named(
    name: str, kind: str, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        recipe_for(method(name), weights=WEIGHTS[kind], **params)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["ties", "dare_ties", "della", "breadcrumbs_ties", "knots_ties"])
@pytest.mark.parametrize("voters", ["weighted", "unweighted"])
def test_a_sum_of_weights_as_divisor_refuses_negative_ones(name: str, voters: str) -> None:
    """Only mergekit's dialect keeps its signed divisor, under its own vote."""
    params = {"combine": "weighted_mean", "voters": voters}
    weights = WEIGHTS["one negative"]
    with pytest.raises(ParameterError) as caught:
        recipe_for(method(name), weights=weights, **params)
    assert str(caught.value) == (
        "A weight is -0.5, and combine weighted_mean divides by the sum of weights. Use weights "
        "of at least 0, or combine mean."
    )


def test_mergekits_divisor_is_signed() -> None:
    """Both vote plus with 2 · 0.5 and (-1) · (-0.25): (1 + 0.25) / (0.5 - 0.25) = 5."""
    experts = (Expert("e0", 0.5), Expert("e1", -0.25))
    recipe = Recipe("ties", experts, dialect="mergekit")
    zero, models = {"w": torch.zeros(1)}, [{"w": torch.tensor([2.0])}, {"w": torch.tensor([-1.0])}]
    assert merged(recipe, zero, models)["w"].tolist() == [5.0]


def test_slerp_of_opposite_models_takes_the_straight_line() -> None:
    """Infinitely many arcs join them; a quarter of the way straight is half of the first."""
    one = {"w": torch.tensor([2.0, 0.0])}
    recipe = recipe_for(method("slerp"), linear_above=1.0, t=0.25)
    found = merged(recipe, one, [one, {"w": -one["w"]}])
    assert found["w"].tolist() == [1.0, 0.0]


def test_karcher_of_a_silent_expert_is_the_others() -> None:
    one, other = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 7.0])
    recipe = recipe_for(method("karcher"), count=2, weights=[1.0, 0.0])
    assert merged(recipe, {"w": one}, [{"w": one}, {"w": other}])["w"].tolist() == [3.0, 4.0]
    zero = {"w": torch.zeros(2)}
    assert merged(recipe, zero, [zero, {"w": other}])["w"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", [n for n in WEIGHTED if method(n).space == "deltas"])
def test_weights_of_zero_add_nothing(name: str) -> None:
    """Where weights are factors, zeros give the base; where they are shares, a refusal."""
    found = finite_or_refused(method(name), BASE, TRIO, weights=[0.0, 0.0, 0.0])
    if found is not None:
        assert same_bits(found, BASE)
