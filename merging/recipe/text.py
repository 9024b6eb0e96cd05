"""Recipes as YAML, ``format: merge-explorer/1``. The text is hostile until checked."""

from typing import Any

from merging.errors import RecipeError, unknown
from merging.methods import registry
from merging.recipe.document import read_document, write_document
from merging.recipe.ids import with_id
from merging.recipe.local import Local
from merging.recipe.local_text import read_layers, read_local, unplain, write_layers, write_local
from merging.recipe.model import FORMAT, Expert, Recipe
from merging.recipe.token_rows import read_token_rows, write_token_rows

_TOKENS = ("tokenizer", "pad_to_multiple_of", "chat_template")
_OPTIONAL = ("set", "base", "dialect", "dtype", "seed", *_TOKENS)
KEYS = ("format", "base_layers", "experts", "method", "params", "tokens", *_OPTIONAL)


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
    return recipe_of(
        read_document(
            text,
            f"This is not a recipe: its first line must be format: {FORMAT}, "
            "then one line for each of method, experts and so on.",
        )
    )


def write_recipe(recipe: Recipe) -> str:
    """Write a recipe as YAML that ``parse_recipe`` reads back to an equal one."""
    data: dict[str, Any] = {"format": FORMAT}
    for name in ("set", "base"):
        if getattr(recipe, name) is not None:
            data[name] = getattr(recipe, name)
    if recipe.base_layers:
        data["base_layers"] = write_layers(recipe.base_layers)
    data["experts"] = [_written(recipe, expert) for expert in recipe.experts]
    data["method"] = recipe.method
    data["params"] = write_local(dict(recipe.params), recipe.local, "")
    data["dialect"] = recipe.dialect
    if recipe.dtype is not None:
        data["dtype"] = recipe.dtype
    data["seed"] = recipe.seed
    for name in _TOKENS:
        if getattr(recipe, name) not in (None, 1):
            data[name] = getattr(recipe, name)
    if recipe.tokens:
        data["tokens"] = write_token_rows(recipe.tokens)
    return write_document(data)


def recipe_of(data: dict[str, Any]) -> Recipe:
    """Return the recipe that a mapping in our format describes.

    Raises:
        RecipeError: As ``parse_recipe``.
    """
    version = data.get("format")
    if "format" not in data:
        theirs = "It is one of mergekit's: python -m merging merge RECIPE reads those."
        hint = theirs if "merge_method" in data else "Add it at the top."
        raise RecipeError(f"The recipe has no line format: {FORMAT}. {hint}")
    if version != FORMAT:
        raise RecipeError(f"The recipe's format is {version!r:.60}; this version reads {FORMAT!r}.")
    for key in data:
        if key not in KEYS:
            if key in _params_of(data.get("method")):
                raise RecipeError(f"{key} stands beside params; it belongs under params.")
            raise unknown("key in the recipe", key, KEYS, {"models": "experts", "name": "method"})
    for key in ("method", "experts"):
        if key not in data:
            raise RecipeError(f"The recipe has no {key!r}. Add it.")
    params = data.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise RecipeError(f"params is {params!r:.60}; it must be a list of names and values.")
    optional = {k: data[k] for k in _OPTIONAL if k in data}
    for name in ("method", "dialect", "dtype", "tokenizer", "chat_template"):
        if not isinstance(data.get(name, ""), str | None):
            raise RecipeError(f"{name} is {data[name]!r:.60}; it must be a word.")
    params, local = read_local(params, "", "params")
    experts, more = _experts(data["experts"], data.get("base"))
    return Recipe(
        method=data["method"],
        experts=experts,
        params=tuple(params.items()),
        local=(*local, *more),
        base_layers=read_layers(data.get("base_layers"), "base_layers"),
        tokens=read_token_rows(data.get("tokens")),
        **optional,
    )


def _written(recipe: Recipe, expert: Expert) -> dict[str, Any]:
    own = {"weight": expert.weight, **dict(expert.params)}
    found = {"id": expert.id, **write_local(own, recipe.local, expert.id)}
    return found | ({"layers": write_layers(expert.layers)} if expert.layers else {})


def _params_of(name: object) -> tuple[str, ...]:
    """Names of a method's parameters; none where there is no such method."""
    found = (spec for spec in registry.METHODS if spec.id == name)
    return tuple(p.name for spec in found for p in spec.params)


def _experts(entries: object, base: object) -> tuple[tuple[Expert, ...], list[Local]]:
    if not isinstance(entries, list):
        raise RecipeError("experts must be a list of entries such as {id: digits, weight: 1.0}.")
    experts: list[Expert] = []
    local: list[Local] = []
    for entry in entries:
        if isinstance(entry, str):
            entry = {"id": entry}
        if isinstance(entry, dict):
            entry = with_id(entry, base)
        if not isinstance(entry, dict) or "id" not in entry:
            raise RecipeError(f"The expert {entry!r:.60} has no id. Write {{id: name}}.")
        where = f"expert {entry['id']!r:.60}"
        own, more = read_local(unplain(entry), str(entry["id"]), where)
        weight = own.pop("weight", 1.0)
        layers = read_layers(entry.get("layers"), f"{where}: layers")
        experts.append(Expert(entry["id"], weight, tuple(own.items()), layers))
        local += more
    return tuple(experts), local
