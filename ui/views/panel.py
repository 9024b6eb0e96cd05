"""The controls of one method, made from its declaration, and what comes back from the page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from merging.errors import RecipeError
from merging.methods import registry
from merging.methods.params import Param, Value
from merging.methods.registry import method
from ui.settings import ControlValues, MethodValues, preset

LONGEST_PANEL = 100_000
SIMPLE = (float, int, bool, str)


@dataclass(frozen=True, slots=True)
class ControlView:
    """One control.

    Attributes:
        name, label, help: As declared; ``help`` ends with where the default comes from.
        kind: slider, choice, flag or text.
        preset: Its value in the chosen dialect.
        low, high, step: Of a slider.
        choices: (word of the recipe, word of the page).
        divisible: Each expert may have its own value.
        own: It means something at single experts only.
        advanced: Folded away.
        when: The flag without which it is hidden, or "".
    """

    name: str
    label: str
    help: str
    kind: str
    preset: Value
    low: float
    high: float
    step: float
    choices: tuple[tuple[str, str], ...]
    divisible: bool
    own: bool
    advanced: bool
    when: str


def control_view(param: Param, value: Value) -> ControlView:
    """Return the control of one parameter whose preset is ``value``."""
    return ControlView(
        name=param.name,
        label=param.label,
        help=f"{param.help} {param.origin[:1].upper()}{param.origin[1:]}.",
        kind=_kind(param),
        preset=value,
        low=param.slider[0],
        high=param.slider[1],
        step=param.step,
        choices=tuple((choice, choice.replace("_", " ")) for choice in param.choices),
        divisible=param.per_expert,
        own=param.own,
        advanced=param.advanced,
        when=param.when,
    )


def _kind(param: Param) -> str:
    if param.choices:
        return "choice"
    if isinstance(param.default, bool):
        return "flag"
    return "text" if isinstance(param.default, str) else "slider"


def panel_value(values: ControlValues, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what the panel draws: the chosen method's controls and the values of all.

    Args:
        values: Of the page.
        names: Word for every expert of the set, by id.
    """
    spec, chosen = method(values.method), values.chosen
    presets = spec.defaults(chosen.dialect)
    return {
        "method": spec.id,
        "dialects": list(spec.dialects),
        "controls": [_packed(control_view(p, presets[p.name])) for p in spec.params],
        "experts": [[e, names.get(e, e)] for e in values.sequence],
        "ordered": "" if spec.symmetric else spec.order,
        "order": list(values.order),
        "before": sorted(values.before),
        "values": _written(chosen),
        "kept": {i: _written(v) for i, v in values.methods.items() if i != spec.id},
    }


def _packed(control: ControlView) -> dict[str, Any]:
    return {name: getattr(control, name) for name in ControlView.__slots__}


def _written(values: MethodValues) -> dict[str, Any]:
    own = {name: dict(by) for name, by in values.own.items() if by}
    return {"dialect": values.dialect, "params": dict(values.params), "own": own}


@dataclass(frozen=True, slots=True)
class PanelValues:
    """What the page sends of its panel; the names are those of ``ControlValues``."""

    method: str
    methods: Mapping[str, MethodValues]
    order: tuple[str, ...]
    before: frozenset[str]


def read_panel(text: object) -> PanelValues:
    """Return what the page's panel holds.

    Values are handed on unchecked: a recipe refuses them in words. Methods and parameters that do
    not exist are left out.

    Raises:
        RecipeError: It is not what our page sends.
    """
    if not isinstance(text, str) or len(text) > LONGEST_PANEL:
        raise _not_ours()
    try:
        sent = json.loads(text)
        chosen, order = str(sent["method"]), tuple(str(e) for e in sent["order"])
        before = frozenset(str(e) for e in sent["before"])
        held = dict(sent["kept"]) | {chosen: sent["values"]}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _not_ours() from error
    known = {spec.id for spec in registry.METHODS}
    if chosen not in known:
        raise _not_ours()
    methods = {i: _method_values(i, v) for i, v in held.items() if i in known}
    return PanelValues(chosen, methods, order, before)


def _method_values(name: str, sent: object) -> MethodValues:
    if not isinstance(sent, dict) or not all(
        isinstance(sent.get(part), dict) for part in ("params", "own")
    ):
        raise _not_ours()
    spec, dialect = method(name), str(sent.get("dialect"))
    known = {p.name: p for p in spec.params}
    filled = preset(spec, dialect).params
    params = {n: _simple(v) for n, v in sent["params"].items() if n in known}
    own = {
        n: {str(e): _simple(v) for e, v in by.items()}
        for n, by in sent["own"].items()
        if n in known and known[n].per_expert and isinstance(by, dict) and by
    }
    return MethodValues(dialect, {**filled, **params}, own)


def _simple(value: Any) -> Value:
    """Return a value that a recipe can look at; anything nested is not ours."""
    if value is not None and not isinstance(value, SIMPLE):
        raise _not_ours()
    simple: Value = value
    return simple


def _not_ours() -> RecipeError:
    return RecipeError("The page sent settings that cannot be read. Reload the page.")
