"""An axis of a sweep: what is varied, at which values, and the recipe at each of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, floor, log10
from typing import Literal

from merging.errors import ParameterError, RecipeError, unknown
from merging.methods.params import WEIGHT, Param, Value
from merging.methods.registry import method
from merging.recipe import Expert, Recipe
from merging.search.asked import whole_number

Kind = Literal["parameter", "count", "method", "seed"]
MOST_VALUES = 101
USUAL = 21


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that is varied; made by the functions below, which check it against a recipe.

    Attributes:
        kind: What is varied.
        values: At least one, all different, in the order they are drawn.
        label: Word shown to people, from the declaration of the parameter.
        name: Of the parameter; "" for other kinds.
        expert: Whose value it is, or "" where it is one for all.
        symbol: Letter in formulas, or "".
        unit: "experts" for their number, "" for numbers without a unit.
    """

    kind: Kind
    values: tuple[Value, ...]
    label: str
    name: str = ""
    expert: str = ""
    symbol: str = ""
    unit: str = ""

    def at(self, recipe: Recipe, value: Value) -> Recipe:
        """Return the recipe with this value.

        Raises:
            RecipeError: The recipe has no such axis, or refuses the value.
        """
        if self.kind == "count":
            return replace(recipe, experts=recipe.experts[: int(value)])
        if self.kind == "method":
            return with_method(recipe, str(value))
        if self.kind == "seed":
            return replace(recipe, seed=int(value))
        if self.expert:
            return _with_own(recipe, self.expert, self.name, value)
        bare = tuple(
            replace(e, params=tuple(p for p in e.params if p[0] != self.name))
            for e in recipe.experts
        )
        return recipe.patched(params={self.name: value}, experts=bare)

    def text(self, value: Value) -> str:
        """Return a setting in words: ``"λ = 0.3"``, ``"3 experts"``, ``"TIES"``."""
        if self.kind == "method":
            return method(str(value)).label
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        if self.unit:
            return f"{shown} {self.unit}"
        word = (self.symbol or self.label) if not self.expert else self.label
        return f"{word} = {shown}"


def parameter_axis(
    recipe: Recipe,
    name: str,
    values: Iterable[Value] | None = None,
    count: int = USUAL,
    low: float | None = None,
    high: float | None = None,
    expert: str = "",
) -> Axis:
    """Vary a parameter of the method, for all experts or for one.

    Args:
        recipe: What is varied.
        name: Of the parameter; ``weight`` and parameters that belong to experts need ``expert``.
        values: Which; by default evenly from ``low`` to ``high``, all choices, or off and on. Where
            steps of the slider do not divide it evenly, its ends and round numbers between.
        count: How many there are by default; fewer where steps or whole numbers are fewer.
        low, high: Ends, by default those of the slider.
        expert: Id of one expert.

    Raises:
        RecipeError: The method has no such parameter or it means nothing with these settings, the
            recipe has no such expert, a value is out of range, or there are too many.
    """
    spec = recipe.spec
    param = spec.param(name)
    if expert and expert not in (ids := [e.id for e in recipe.experts]):
        raise unknown("expert of the recipe", expert, ids)
    if expert and not param.per_expert:
        raise RecipeError(f"{param.label} is one value for all experts. Vary it without an expert.")
    if not expert and (param is WEIGHT or param.own):
        raise RecipeError(f"{param.label} belongs to each expert. Say which one to vary.")
    if param is WEIGHT and not spec.weighted:
        raise RecipeError(f"{spec.label} has no weights to vary.")
    if param is not WEIGHT and param not in spec.active(recipe.settings()):
        flag = spec.param(param.when).label
        raise RecipeError(f"{param.label} changes nothing while “{flag}” is off. Turn it on first.")
    chosen = _usual(param, count, low, high) if values is None else values
    checked = (param.check(v, f"method {spec.id}") for v in chosen)
    label = f"{param.label} of {expert}" if expert else param.label
    return Axis("parameter", _bounded(checked, label), label, name, expert, param.symbol)


def weight_axis(
    recipe: Recipe, expert: str, values: Iterable[Value] | None = None, count: int = USUAL
) -> Axis:
    """Vary the weight of one expert; arguments and errors as ``parameter_axis``."""
    return parameter_axis(recipe, "weight", values, count, expert=expert)


def count_axis(recipe: Recipe, least: int = 2) -> Axis:
    """Vary the number of experts: the first ``least`` of the recipe, in its order, to all of them.

    Raises:
        RecipeError: The recipe has no more than ``least`` experts.
    """
    least = whole_number("least", least, 0)
    first, total = max(least, recipe.spec.needs.experts, 1), len(recipe.experts)
    if total <= first:
        raise RecipeError(
            f"There are {total} experts, so their number cannot be varied from {first}. Add some."
        )
    return Axis("count", tuple(range(first, total + 1)), "Number of experts", unit="experts")


def method_axis(methods: Iterable[str]) -> Axis:
    """Vary the method, each at its own defaults; see ``with_method``.

    Raises:
        RecipeError: There is no such method, or one is named twice.
    """
    return Axis("method", _bounded((method(m).id for m in methods), "Method"), "Method")


def seed_axis(recipe: Recipe, draws: int = 10) -> Axis:
    """Draw again and again: the recipe's seed and those after it.

    Raises:
        RecipeError: The method draws nothing at random, or there are too many draws.
    """
    if not recipe.spec.random:
        raise RecipeError(f"{recipe.spec.label} draws nothing at random; every seed is the same.")
    _few("Seed", draws)
    return Axis("seed", tuple(recipe.seed + i for i in range(draws)), "Seed")


def with_method(recipe: Recipe, name: str) -> Recipe:
    """Return the recipe by another method: its defaults as in its paper, experts and weights kept.

    Settings do not travel, for λ of a sum and λ of a mean are different things. The recipe's own
    method keeps its settings; where a method has no weights all count alike.

    Raises:
        RecipeError: There is no such method, or it does not take these experts.
    """
    if name == recipe.method:
        return recipe
    loud = method(name).weighted
    bare = tuple(Expert(e.id, e.weight if loud else 1.0) for e in recipe.experts)
    return replace(recipe, method=name, experts=bare, params=(), dialect="paper")


def _with_own(recipe: Recipe, expert: str, name: str, value: Value) -> Recipe:
    if expert not in (ids := [e.id for e in recipe.experts]):
        raise unknown("expert of the recipe", expert, ids)
    if name == WEIGHT.name:
        return recipe.patched(weights={expert: float(value)})
    return replace(
        recipe,
        experts=tuple(
            replace(e, params=tuple({**dict(e.params), name: value}.items()))
            if e.id == expert
            else e
            for e in recipe.experts
        ),
    )


def _usual(param: Param, count: int, low: float | None, high: float | None) -> tuple[Value, ...]:
    if param.choices:
        return param.choices
    if isinstance(param.default, bool):
        return (False, True)
    if isinstance(param.default, str):
        raise RecipeError(f"{param.label} is a text. Say which values to try.")
    _few(param.label, count)
    begin = param.slider[0] if low is None else low
    end = param.slider[1] if high is None else high
    if not begin < end:
        raise ParameterError(f"{param.label}: {begin:g} to {end:g} is no range. Swap the ends.")
    for edge in (low, high):
        if edge is not None:
            param.check(float(edge) if isinstance(param.default, float) else edge, "the axis")
    inner = [begin + (end - begin) * i / (count - 1) for i in range(1, count - 1)]
    if low is None and high is None and any(_on_step(v, param) != round(v, 9) for v in inner):
        inner = _round_numbers(param, count)
    snapped = [begin, *(min(max(_on_step(v, param), begin), end) for v in inner), end][:count]
    whole = isinstance(param.default, int)
    return tuple(dict.fromkeys(round(v) if whole else v for v in snapped))


def _round_numbers(param: Param, count: int) -> list[float]:
    """Multiples of a round step inside of the slider that are at most ``count`` with its ends."""
    begin, end = param.slider
    power = floor(log10((end - begin) / count))
    for zeros, digit in product((power, power + 1, power + 2), (1, 2, 5)):
        step = digit * 10.0**zeros
        if abs(step / param.step - round(step / param.step)) > 1e-6 or step < param.step / 2:
            continue
        first, last = floor(begin / step + 1e-6) + 1, ceil(end / step - 1e-6)
        if last - first <= count - 2:
            return [step * i for i in range(first, last)]
    return []


def _on_step(value: float, param: Param) -> float:
    """Where the control of the page can stand."""
    steps = round((value - param.slider[0]) / param.step)
    return round(param.slider[0] + steps * param.step, 9)


def _few(label: str, count: int) -> None:
    whole_number(f"{label}: number of values", count, 1, MOST_VALUES)


def _bounded(values: Iterable[Value], label: str) -> tuple[Value, ...]:
    found = []
    for value in values:  # may be endless
        found.append(value)
        if len(found) > MOST_VALUES:
            break
    _few(label, len(found))
    if len(set(found)) < len(found):
        twice = next(v for v in found if found.count(v) > 1)
        raise RecipeError(f"{label}: {twice} is listed twice. Keep one of them.")
    return tuple(found)
