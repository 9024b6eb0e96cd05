"""Local values and runs of layers as they stand in our YAML.

A value is plain (``0.5``), a curve over depth (``[0, 0.5, 1]``) or a table, whose first entry that
fits counts: ``[{filter: mlp, value: [0, 1]}, {layers: [0, 8], value: 0.2}, {value: 0.5}]``. The
last entry of a table may stand without filter and layers: the plain value.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from merging.errors import ParameterError, RecipeError, unknown
from merging.recipe.layers import Layers
from merging.recipe.local import Curve, Local, Rule

ENTRY = ("filter", "layers", "value")
RUN = ("model", "from", "to")
FEWEST = 2
NOT_VALUES = ("id", "layers")


def unplain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an expert's entry, without id and layers."""
    return {key: value for key, value in entry.items() if key not in NOT_VALUES}


def read_local(
    values: Mapping[str, Any], expert: str, where: str
) -> tuple[dict[str, Any], list[Local]]:
    """Split values into plain ones and local ones.

    Args:
        values: As read, by name of the parameter.
        expert: Whose they are, or "".
        where: Prefix of messages.

    Raises:
        RecipeError: A curve or a table is malformed.
    """
    plain: dict[str, Any] = {}
    local = []
    for name, value in values.items():
        if not isinstance(value, list):
            plain[name] = value
            continue
        label = f"{where}: {name}"
        tabled = bool(value) and all(isinstance(entry, dict) for entry in value)
        rules = [_rule(e, label) for e in value] if tabled else [Rule(_value(value, label))]
        last = rules[-1]
        if not last.filter and last.layers is None:
            curve = isinstance(last.value, Curve)
            plain[name] = last.value.values[0] if isinstance(last.value, Curve) else last.value
            rules = rules if curve else rules[:-1]
        if rules:
            local.append(Local(str(name), tuple(rules), expert))
    return plain, local


def write_local(values: Mapping[str, Any], local: Iterable[Local], expert: str) -> dict[str, Any]:
    """Return values with the local ones of an expert, or "", written out."""
    found = dict(values)
    for entry in local:
        if entry.expert != expert:
            continue
        table = [_entry(rule) for rule in entry.rules]
        last = entry.rules[-1]
        closed = not last.filter and last.layers is None and isinstance(last.value, Curve)
        plain = values.get(entry.param)
        if closed and isinstance(last.value, Curve) and plain == last.value.values[0]:
            found[entry.param] = list(last.value.values) if len(table) == 1 else table
        else:
            found[entry.param] = table + ([{"value": plain}] if plain is not None else [])
    return found


def read_layers(value: object, where: str) -> tuple[Layers, ...]:
    """Return runs of layers.

    Raises:
        RecipeError: They are no list of ``{model, from, to}``.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or not value:
        raise RecipeError(
            f"{where} must be a list of entries such as {{model: a, from: 0, to: 8}}."
        )
    for entry in value:
        if not isinstance(entry, dict) or set(entry) != set(RUN):
            raise RecipeError(f"{where}: {entry!r:.60} must have {', '.join(RUN)}.")
    return tuple(Layers(entry["model"], entry["from"], entry["to"]) for entry in value)


def write_layers(runs: Iterable[Layers]) -> list[dict[str, Any]]:
    """Return runs as ``read_layers`` reads them."""
    return [{"model": run.model, "from": run.start, "to": run.stop} for run in runs]


def _rule(entry: Mapping[str, Any], where: str) -> Rule:
    for key in entry:
        if key not in ENTRY:
            raise unknown(f"key at {where}", key, ENTRY)
    if "value" not in entry:
        raise RecipeError(f"{where}: {dict(entry)!r:.60} has no value.")
    run = entry.get("layers")
    if isinstance(run, list):
        run = tuple(run)
    return Rule(_value(entry["value"], where), entry.get("filter", ""), run)


def _value(value: Any, where: str) -> Any:
    if not isinstance(value, list):
        return value
    if len(value) < FEWEST or any(isinstance(v, dict | list) for v in value):
        raise ParameterError(
            f"{where} is {value!r:.60}; it must be a number, or a curve of at least two."
        )
    return Curve(tuple(value))


def _entry(rule: Rule) -> dict[str, Any]:
    value = list(rule.value.values) if isinstance(rule.value, Curve) else rule.value
    found: dict[str, Any] = {"filter": rule.filter} if rule.filter else {}
    found |= {"layers": list(rule.layers)} if rule.layers else {}
    return found | {"value": value}
