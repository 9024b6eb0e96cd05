"""Values of parameters that depend on where a tensor stands: curves over depth, tables by name.

A recipe's plain number is its headline; a ``Local`` says where another value holds. Which layer a
tensor belongs to is read off its name. No tensors here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from merging.errors import ParameterError, RecipeError
from merging.methods.params import Param, Value

MOST_POINTS = 512
MOST_RULES = 1024
LONGEST_FILTER = 200

_LAYER = re.compile(r"^(.*?)(?:^|(?<=\.))(\d+)\.")
_AFTER = re.compile(r"norm|(?:^|\.)(?:ln_f|lm_head|head|score|classifier|pooler|output|final)")


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over depth, evenly spaced from the first layer to the last.

    Between them numbers are interpolated; of flags and words the one before is taken. Whatever
    stands outside the layers (embeddings, final norm, head) takes the first value, and a run of
    one layer the last, as in mergekit 0.1.5.
    """

    values: tuple[Value, ...]

    def at(self, depth: float) -> Value:
        """Return the value at a depth from 0 (first layer) to 1 (last)."""
        place = depth * (len(self.values) - 1)
        low = int(place)
        first, second = self.values[low], self.values[min(low + 1, len(self.values) - 1)]
        if isinstance(first, bool | str) or isinstance(second, bool | str):
            return first
        share = place - low
        return (1 - share) * first + share * second


@dataclass(frozen=True, slots=True)
class Rule:
    """A value and where it holds.

    Attributes:
        value: One value, or a curve over the layers of the run.
        filter: Part of the tensor's name; "" is part of every name.
        layers: Run of layers, the end not included, or None for all. Embeddings belong to the run
            that starts at layer 0, what follows the last layer to the run that ends there.
    """

    value: Value | Curve
    filter: str = ""
    layers: tuple[int, int] | None = None

    def holds(self, spot: "Spot") -> bool:
        """Return whether the rule says something of a tensor."""
        if self.filter not in spot.tensor:
            return False
        if self.layers is None:
            return True
        start, stop = self.layers
        if spot.layer is not None:
            return start <= spot.layer < stop
        return stop >= spot.layers if spot.after else start == 0

    def at(self, spot: "Spot") -> Value:
        """Return the value for a tensor that the rule holds for."""
        if not isinstance(self.value, Curve):
            return self.value
        if spot.layer is None:
            return self.value.at(0.0)
        start, stop = self.layers or (0, spot.layers)
        return self.value.at((spot.layer - start) / (stop - start - 1) if stop - start > 1 else 1.0)


@dataclass(frozen=True, slots=True)
class Local:
    """Where a parameter has another value than its plain one; the first rule that holds counts.

    Attributes:
        param: Name of the parameter; ``weight`` is each expert's.
        rules: At least one.
        expert: Expert id whose own value it is, or "" for the common value.
    """

    param: str
    rules: tuple[Rule, ...]
    expert: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a tensor stands.

    Attributes:
        tensor: Its name.
        layer: Number of its layer, or None outside layers.
        layers: How many layers its stack has; outside layers, the tallest stack of the model.
        after: It stands behind the last layer (final norm, head); outside layers only.
    """

    tensor: str
    layer: int | None = None
    layers: int = 1
    after: bool = False


def spots_of(names: Iterable[str]) -> dict[str, Spot]:
    """Return where each tensor of a model stands, by the numbers in the names.

    The first number that stands between dots is the layer; tensors whose names begin alike up to
    it are one stack (encoder and decoder are two).

    Example:
        >>> spots_of(["wte.weight", "h.0.w", "h.1.w"])["h.1.w"]
        Spot(tensor='h.1.w', layer=1, layers=2, after=False)
    """
    found = {name: _LAYER.match(name) for name in names}
    heights: dict[str, int] = {}
    for match in found.values():
        if match:
            heights[match[1]] = max(heights.get(match[1], 0), int(match[2]) + 1)
    tallest = max(heights.values(), default=1)
    return {
        name: Spot(name, int(match[2]), heights[match[1]])
        if match
        else Spot(name, None, tallest, bool(_AFTER.search(name)))
        for name, match in found.items()
    }


def checked(local: Local, param: Param, where: str) -> Local:
    """Return a local value with every value in the parameter's type.

    Raises:
        RecipeError: A rule, a filter or a run of layers is malformed.
        ParameterError: A value is refused by the parameter.
    """
    if not 0 < len(local.rules) <= MOST_RULES:
        raise RecipeError(f"{where}: {local.param} needs 1 to {MOST_RULES} rules.")
    return replace(local, rules=tuple(_checked(r, local, param, where) for r in local.rules))


def _checked(rule: Rule, local: Local, param: Param, where: str) -> Rule:
    label = f"{where}: {local.param}"
    if not isinstance(rule.filter, str) or len(rule.filter) > LONGEST_FILTER:
        raise RecipeError(f"{label}: the filter {rule.filter!r:.60} must be a short text.")
    if not rule.filter.isprintable():
        raise RecipeError(f"{label}: the filter {rule.filter!r:.60} holds a control character.")
    if rule.layers is not None:
        _check_run(rule.layers, label)
    if not isinstance(rule.value, Curve):
        return replace(rule, value=param.check(rule.value, where))
    if not 0 < len(rule.value.values) <= MOST_POINTS:
        raise ParameterError(f"{label}: a curve has 1 to {MOST_POINTS} values.")
    values = tuple(param.check(value, where) for value in rule.value.values)
    return replace(rule, value=Curve(values))


def _check_run(run: object, label: str) -> None:
    match run:
        case (int(start), int(stop)) if 0 <= start < stop:
            return
    raise RecipeError(
        f"{label}: layers is {run!r:.60}; it must be a first layer and the one after the last."
    )


def told(local: Iterable[Local]) -> Iterator[dict[str, object]]:
    """Yield local values as plain mappings, for the canonical form of a recipe."""
    for entry in sorted(local, key=lambda e: (e.param, e.expert)):
        rules = [
            {
                "value": list(r.value.values) if isinstance(r.value, Curve) else r.value,
                "filter": r.filter,
                "layers": None if r.layers is None else list(r.layers),
            }
            for r in entry.rules
        ]
        yield {"param": entry.param, "expert": entry.expert, "rules": rules}


def overridden(
    values: Mapping[str, Value], local: Iterable[Local], spot: Spot, expert: str = ""
) -> dict[str, Value]:
    """Return values with those replaced that a local entry of an expert (or "") gives.

    A name that ``values`` lacks is added where a rule holds.
    """
    found = dict(values)
    for entry in local:
        if entry.expert == expert:
            for rule in entry.rules:
                if rule.holds(spot):
                    found[entry.param] = rule.at(spot)
                    break
    return found
