"""Which format a recipe is written in: ours or mergekit's."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from merging.errors import RecipeError
from merging.recipe.document import read_document
from merging.recipe.mergekit import recipe_of_mergekit
from merging.recipe.model import FORMAT, Recipe
from merging.recipe.text import recipe_of

NEITHER = (
    f"This is neither a recipe of ours (its first line is format: {FORMAT}) nor one of mergekit "
    "(it has merge_method and models)."
)


def read_recipe(text: str) -> Recipe:
    """Read a recipe in either format.

    Args:
        text: YAML, at most 64 KiB. ``format`` makes it one of ours, else ``merge_method`` one of
            mergekit's.

    Returns:
        The checked recipe; one of mergekit's is in dialect mergekit.

    Raises:
        RecipeError: It is neither, or refused as ``parse_recipe`` and ``parse_mergekit`` do.
    """
    data = read_document(text, NEITHER)
    if "format" in data:
        return recipe_of(data)
    if "merge_method" in data:
        return recipe_of_mergekit(data)
    raise RecipeError(NEITHER + _misspelt(data))


def _misspelt(data: Mapping[str, Any]) -> str:
    """Name a key that is nearly the one that tells the format."""
    for key in data:
        near = get_close_matches(str(key)[:40].lower(), ("format", "merge_method"), n=1, cutoff=0.7)
        if near:
            return f" Did you mean {near[0]!r} by {str(key)[:40]!r}?"
    return ""
