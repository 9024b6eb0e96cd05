"""Parameter values of mergekit: scalars, gradients and filters, at several levels, as our rules.

A level is what stands at one place (a source, a slice, a module, the whole); where no filter of it
matches, the next counts. The first rule that holds wins, so levels are simply written one after
another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from merging.errors import ParameterError, RecipeError
from merging.methods.params import Param, Value
from merging.recipe.local import Curve, Rule
from merging.recipe.mergekit.table import Theirs, ours_of

CONDITION = ("value", "filter")
SCALAR = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Settled:
    """A parameter's plain value, None where nothing is said, and the rules before it."""

    plain: Value | None = None
    rules: tuple[Rule, ...] = ()


def rules_of(setting: object, param: Param, theirs: Theirs, where: str) -> Iterator[Rule]:
    """Yield the rules of one setting, values in our words.

    Raises:
        RecipeError: It is no setting of mergekit's.
        ParameterError: A value is refused.
    """
    if isinstance(setting, dict):
        setting = [setting]
    if isinstance(setting, SCALAR) or _gradient(setting):
        yield Rule(_value(setting, param, theirs, where))
        return
    if not isinstance(setting, list) or not all(isinstance(c, dict) for c in setting):
        raise ParameterError(
            f"{where} is {setting!r:.60}; it must be a number, a list of numbers, or a list of "
            "{filter, value}."
        )
    for condition in setting:
        stray = next((key for key in condition if key not in CONDITION), None)
        if stray is not None or "value" not in condition:
            raise RecipeError(f"{where}: {condition!r:.60} must have value and filter only.")
        chosen = condition.get("filter")
        if not isinstance(chosen, str | None):
            raise RecipeError(f"{where}: the filter {chosen!r:.60} must be a text.")
        text = "" if chosen in (None, "*") else chosen
        yield Rule(_value(condition["value"], param, theirs, where), text or "")


def _gradient(setting: object) -> bool:
    return isinstance(setting, list) and all(isinstance(v, SCALAR) for v in setting)


def _value(value: object, param: Param, theirs: Theirs, where: str) -> Value | Curve:
    if isinstance(value, list) and value and _gradient(value):
        points = [param.check(ours_of(theirs.way, v, where), _prefix(where)) for v in value]
        same = all(p == points[0] for p in points)
        return points[0] if same else Curve(tuple(points))
    if not isinstance(value, SCALAR):
        raise ParameterError(f"{where} is {value!r:.60}; it must be a number or a list of numbers.")
    return param.check(ours_of(theirs.way, value, where), _prefix(where))


def _prefix(where: str) -> str:
    return where.rpartition(": ")[0]


def settle(slices: Sequence[tuple[tuple[int, int] | None, Sequence[Rule]]]) -> Settled:
    """Put the rules of all slices together; what can never count is dropped.

    Args:
        slices: Run of layers in the merged model, None for all of it, and rules in order.
    """
    ended = [(run, list(_until_all(rules))) for run, rules in slices]
    first = ended[0][1]
    if all(rules == first for _, rules in ended) and (
        len(ended) == 1 or not any(isinstance(r.value, Curve) for r in first)
    ):
        return _plain(first, closed=_closed(first))
    closed = all(_closed(rules) for _, rules in ended)
    put = [replace(rule, layers=run) for run, rules in ended for rule in rules]
    return Settled(_head(first[-1]) if closed else None, tuple(put))


def _until_all(rules: Sequence[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        if not rule.filter:
            return


def _closed(rules: Sequence[Rule]) -> bool:
    return bool(rules) and not rules[-1].filter


def _plain(rules: Sequence[Rule], closed: bool) -> Settled:
    if not closed:
        return Settled(None, tuple(rules))
    last = rules[-1]
    kept = rules if isinstance(last.value, Curve) else rules[:-1]
    return Settled(_head(last), tuple(kept))


def _head(rule: Rule) -> Value:
    return rule.value.values[0] if isinstance(rule.value, Curve) else rule.value
