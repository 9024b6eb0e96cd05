"""What the browser sends of the page's forms, checked: anyone can send anything. Pure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from merging.checkpoints.library import Kind
from merging.errors import RecipeError, unknown
from merging.recipe.tokens import BASE, POSITION, TEMPLATES, UNION
from ui.own.settings import MOST, OUTPUTS, OWN, OwnSettings, Row, dtypes
from ui.views.panel import read_panel

LONGEST = 50_000
LONGEST_NAME = 500
NOT_OURS = "The page sent settings that cannot be read. Reload the page."


def read_forms(
    before: OwnSettings, kinds: Mapping[str, Kind], models: object, panel: object, fields: object
) -> OwnSettings:
    """Return the settings that the page's three forms hold.

    Args:
        before: Gives what no form holds: values by layer.
        kinds: Kind of every listed name.
        models: Text of the form of models.
        panel: Text of the method's panel.
        fields: Text of the form of options.

    Raises:
        RecipeError: They are not ours, or a name is not listed. Numbers are left to the recipe.
    """
    held = read_panel(panel)
    base, rows = _models(models, kinds)
    options = _options(fields)
    values = replace(
        before.values,
        method=held.method,
        methods=held.methods,
        order=held.order,
        before=frozenset(),
        seed=_whole(options.get("seed", before.values.seed)),
    )
    settings = replace(before, base=base, rows=rows, kinds=kinds, values=values)
    words = _words(options, before, settings.ids)
    numbers = {name: _whole(options.get(name, getattr(before, name))) for name in ("rank", "pad")}
    return replace(settings, **words, **numbers)


def _words(options: Mapping[str, Any], before: OwnSettings, ids: tuple[str, ...]) -> dict[str, str]:
    """What was chosen from lists."""
    chosen = {
        "dtype": dtypes(),
        "output": OUTPUTS,
        "tokenizer": ("", UNION, BASE, POSITION),
        "template": ("", OWN, *TEMPLATES),
    }
    kept = {name: getattr(before, name) for name in chosen} | {"template": before.template_word}
    words = {name: str(options.get(name, kept[name])) for name in chosen}
    if words["tokenizer"] not in (*chosen["tokenizer"], *ids):
        words["tokenizer"] = ""  # the model it named was taken off the list
    for name in ("dtype", "output", "template"):
        if words[name] not in chosen[name]:
            raise unknown(name, words[name], chosen[name])
    if words["template"] == OWN:
        words["template"] = before.template
    return words


def _models(text: object, kinds: Mapping[str, Kind]) -> tuple[str, tuple[Row, ...]]:
    sent = _parsed(text)
    base, rows = sent.get("base"), sent.get("rows")
    if not isinstance(rows, list) or len(rows) > MOST:
        raise RecipeError(NOT_OURS)
    models = [name for name, kind in kinds.items() if kind == "model"]
    found = tuple(_row(row, kinds, models) for row in rows)
    return _listed(base, models), tuple(row for row in found if row.name)


def _row(sent: object, kinds: Mapping[str, Kind], models: list[str]) -> Row:
    if not isinstance(sent, dict) or not isinstance(sent.get("on"), bool):
        raise RecipeError(NOT_OURS)
    weight = sent.get("weight")
    if weight is not None and not isinstance(weight, int | float):
        raise RecipeError(NOT_OURS)
    name = _listed(sent.get("name"), list(kinds))
    over = _listed(sent.get("over"), models) if kinds.get(name) == "adapter" else ""
    return Row(name, over, sent["on"], weight)


def _listed(name: object, names: list[str]) -> str:
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise RecipeError(NOT_OURS)
    if name and name not in names:
        raise unknown("model", name, names)
    return name


def _options(text: object) -> dict[str, Any]:
    values = _parsed(text).get("values")
    if not isinstance(values, dict) or not all(
        v is None or isinstance(v, str | int | float) for v in values.values()
    ):
        raise RecipeError(NOT_OURS)
    return values


def _parsed(text: object) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > LONGEST:
        raise RecipeError(NOT_OURS)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecipeError(NOT_OURS) from error
    if not isinstance(found, dict):
        raise RecipeError(NOT_OURS)
    return found


def _whole(value: Any) -> Any:
    """A float that is a whole number as one; all else is left to the recipe."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
