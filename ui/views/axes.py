"""What of a recipe can be varied, by a short name that a link can hold. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

from merging.errors import RecipeError
from merging.methods.params import WEIGHT
from merging.recipe import Recipe
from merging.search.axis import (
    USUAL,
    Axis,
    count_axis,
    method_axis,
    parameter_axis,
    seed_axis,
    weight_axis,
)

COARSE = 9  # values of each of two axes: their pairs take about a minute
NO_WORDS: Mapping[str, str] = MappingProxyType({})
COUNT, SEED, METHOD = "experts", "seed", "method"


def axes_offered(
    recipe: Recipe,
    methods: Iterable[str],
    words: Mapping[str, str] = NO_WORDS,
    count: int = USUAL,
) -> dict[str, Axis]:
    """Return all that can be varied in a recipe, by name.

    The method's numbers come first ("density"; "density.digits" where each expert has its own),
    then weights ("weight.digits"), the number of experts, the seed, and the method.

    Args:
        recipe: Of the controls.
        methods: Ids of those to compare; the recipe's own joins them.
        words: What experts are called, by id.
        count: Most values of a number.
    """
    found: dict[str, Axis] = {}
    for name, make in _makers(recipe, tuple(methods), count):
        with suppress(RecipeError):  # it cannot be varied with these settings
            axis = make()
            if len(axis.values) > 1 and _ordered(axis):
                found[name] = _called(axis, words)
    return found


def together(first: Axis, other: Axis) -> bool:
    """Return whether two axes can be varied at once: each value of one goes with all of the other.

    Other methods lack parameters and weights, and fewer experts lack those of a single one.
    """
    kinds = {first.kind, other.kind}
    if "method" in kinds:
        return kinds == {"method", "count"}
    return "count" not in kinds or not (first.expert or other.expert)


def _makers(
    recipe: Recipe, methods: tuple[str, ...], count: int
) -> Iterator[tuple[str, Callable[[], Axis]]]:
    experts = [e.id for e in recipe.experts]
    for param in recipe.spec.params:
        if not param.own:
            yield param.name, lambda p=param: parameter_axis(recipe, p.name, count=count)
            continue
        for one in experts:
            make = lambda p=param, e=one: _own_axis(recipe, p.name, e, count)  # noqa: E731
            yield f"{param.name}.{one}", make
    for one in experts:
        yield f"{WEIGHT.name}.{one}", lambda e=one: weight_axis(recipe, e, count=count)
    yield COUNT, lambda: count_axis(recipe)
    yield SEED, lambda: seed_axis(recipe)
    yield METHOD, lambda: method_axis(dict.fromkeys((*methods, recipe.method)))


def _own_axis(recipe: Recipe, name: str, expert: str, count: int) -> Axis:
    return parameter_axis(recipe, name, count=count, expert=expert)


def _called(axis: Axis, words: Mapping[str, str]) -> Axis:
    """An axis whose label has the word for its expert instead of the id."""
    if axis.expert not in words:
        return axis
    label = f"{axis.label.removesuffix(axis.expert)}{words[axis.expert]}"
    return replace(axis, label=label)


def _ordered(axis: Axis) -> bool:
    """Whether a parameter is a number, not a word or a flag."""
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in axis.values)
    return plain or axis.kind != "parameter"
