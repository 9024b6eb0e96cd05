"""Recipes as YAML, ``format: merge-explorer/1``. The text is hostile until checked."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from merging.errors import RecipeError, unknown
from merging.recipe.model import FORMAT, Expert, Recipe

MOST_BYTES = 65_536
LONGEST_NUMBER = 40
KEYS = ("format", "set", "base", "experts", "method", "params", "dialect", "dtype", "seed")


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases or repeated keys; 1e-5 is a number."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise RecipeError("The recipe uses a YAML alias (*name). Write the value out.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise RecipeError(f"The key {key!r:.60} of the recipe must be a word.")
            if key in mapping:
                raise RecipeError(f"The key {key!r:.60} stands twice in the recipe. Keep one.")
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


class _Dumper(yaml.SafeDumper):
    """Safe YAML that puts quotes around every text that ``_Loader`` would read as a number."""


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    digits = loader.construct_scalar(node)
    if len(digits) > LONGEST_NUMBER:
        raise RecipeError(f"The number {digits[:20]}... of the recipe is too long.")
    return loader.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )

# What PyYAML lets through when a value does not fit its tag, as in ``!!bool maybe``.
_MISFITS = (LookupError, AttributeError, TypeError)


def parse_recipe(text: str) -> Recipe:
    """Read a recipe from YAML.

    Args:
        text: At most 64 KiB.

    Returns:
        The checked recipe.

    Raises:
        RecipeError: Not YAML, not our format or version, an unknown key (the nearest known one is
            named), or a value that is refused.
    """
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise RecipeError("The recipe is longer than 64 KiB. Is it the right file?")
    try:
        data = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError, *_MISFITS) as error:
        raise RecipeError(f"The recipe is not valid YAML: {_first_line(error)}") from error
    if not isinstance(data, dict):
        raise RecipeError(
            f"This is not a recipe: its first line must be format: {FORMAT}, "
            "then one line for each of method, experts and so on."
        )
    return _from_mapping(data)


def write_recipe(recipe: Recipe) -> str:
    """Write a recipe as YAML that ``parse_recipe`` reads back to an equal one."""
    data: dict[str, Any] = {"format": FORMAT}
    for name in ("set", "base"):
        if getattr(recipe, name) is not None:
            data[name] = getattr(recipe, name)
    data["experts"] = [{"id": e.id, "weight": e.weight, **dict(e.params)} for e in recipe.experts]
    data["method"] = recipe.method
    data["params"] = dict(recipe.params)
    data["dialect"] = recipe.dialect
    if recipe.dtype is not None:
        data["dtype"] = recipe.dtype
    data["seed"] = recipe.seed
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _from_mapping(data: dict[str, Any]) -> Recipe:
    version = data.get("format")
    if version != FORMAT:
        raise RecipeError(
            f"The recipe's format is {version!r:.60}; this version reads {FORMAT!r}."
            + (" Add that line at the top." if version is None else "")
        )
    for key in data:
        if key not in KEYS:
            raise unknown("key in the recipe", key, KEYS, {"models": "experts", "name": "method"})
    for key in ("method", "experts"):
        if key not in data:
            raise RecipeError(f"The recipe has no {key!r}. Add it.")
    params = data.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise RecipeError(f"params is {params!r:.60}; it must be a list of names and values.")
    optional = {k: data[k] for k in ("set", "base", "dialect", "dtype", "seed") if k in data}
    for name in ("method", "dialect", "dtype"):
        if not isinstance(data.get(name, ""), str | None):
            raise RecipeError(f"{name} is {data[name]!r:.60}; it must be a word.")
    return Recipe(
        method=data["method"],
        experts=_experts(data["experts"]),
        params=tuple(params.items()),
        **optional,
    )


def _experts(entries: object) -> tuple[Expert, ...]:
    if not isinstance(entries, list):
        raise RecipeError("experts must be a list of entries such as {id: digits, weight: 1.0}.")
    experts = []
    for entry in entries:
        if isinstance(entry, str):
            entry = {"id": entry}
        if not isinstance(entry, dict) or "id" not in entry:
            raise RecipeError(f"The expert {entry!r:.60} has no id. Write {{id: name}}.")
        own = {k: v for k, v in entry.items() if k not in ("id", "weight")}
        experts.append(Expert(entry["id"], entry.get("weight", 1.0), tuple(own.items())))
    return tuple(experts)


def _first_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}."
    if isinstance(error, _MISFITS):
        return "a value does not fit its tag (!!name)."
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
