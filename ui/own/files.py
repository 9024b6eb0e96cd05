"""Recipes of own models as files: opened in either format, written in either. Pure."""

from merging.errors import RecipeError
from merging.recipe import Recipe, parse_recipe, write_recipe
from merging.recipe.document import MOST_BYTES, read_documents
from merging.recipe.mergekit import Note, import_mergekit, write_mergekit
from merging.units import size_text
from ui.own.work import Task

DELTA = ".safetensors"


def opened(content: object) -> tuple[Recipe, tuple[Note, ...], str]:
    """Read the bytes of a recipe's file.

    Returns:
        The recipe, what its import had to say, and the name of its format.

    Raises:
        RecipeError: It is too long, no text, no recipe, or several merges one after another.
    """
    if not isinstance(content, bytes):
        raise RecipeError("No file arrived. Try again.")
    if len(content) > MOST_BYTES:
        raise RecipeError(
            f"The file has {size_text(len(content))}; a recipe has at most 64 KiB. Is it the right "
            "file?"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError("The file is not text. Open a recipe in YAML.") from error
    documents = read_documents(text, "This is no recipe.", 64)
    if "format" in documents[0]:
        return parse_recipe(text), (), "ours"
    found = import_mergekit(text)
    if len(found) > 1:
        raise RecipeError(
            f"The file holds {len(found)} documents, one merge after another. This page does one "
            "merge: open each by itself."
        )
    return found[0].recipe, found[0].notes, "mergekit"


def own_text(recipe: Recipe) -> str:
    """Write a recipe in our format, every parameter that counts written out."""
    settings = recipe.settings()
    active = {p.name: settings.common[p.name] for p in recipe.spec.active(settings)}
    return write_recipe(recipe.patched(params=active))


def mergekit_text(task: Task) -> str:
    """Write what is asked for as a recipe of mergekit.

    Raises:
        RecipeError: mergekit cannot express it; all reasons are named.
    """
    recipe, cannot = task.recipe, "mergekit cannot express this recipe."
    delta = next((e.id for e in recipe.experts if e.id.endswith(DELTA)), None)
    if delta is not None:
        raise RecipeError(f"{cannot} {delta!r:.80} is a delta of ours, which it does not read.")
    if task.output == "adapter":
        raise RecipeError(f"{cannot} It writes models, and this merge is written as an adapter.")
    return write_mergekit(recipe)
