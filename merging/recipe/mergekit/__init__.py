"""mergekit 0.1.5's recipes, read into ours with a report and written from ours.

Two things differ from a run of mergekit: ``dtype`` makes mergekit round the inputs first and
compute in that type, while merges here are computed in float32 at least; and random masks follow
from seed, tensor and expert, not from the order of draws.
"""

from collections.abc import Mapping
from typing import Any

from merging.errors import RecipeError
from merging.recipe.document import read_document, read_documents
from merging.recipe.mergekit.outside import of_tokens
from merging.recipe.mergekit.read import Imported, imported, strict
from merging.recipe.mergekit.report import Note
from merging.recipe.mergekit.table import METHODS
from merging.recipe.mergekit.write import why_not, write_mergekit
from merging.recipe.model import Recipe

NONE = "This is not a recipe of mergekit: it has no merge_method, models and so on."
MOST_DOCUMENTS = 64


def parse_mergekit(text: str) -> Recipe:
    """Read a recipe of mergekit and refuse what mergekit would drop silently.

    Args:
        text: YAML, at most 64 KiB, one document.

    Returns:
        The recipe in dialect mergekit: ids are the models as written, density d of a dare method
        is the drop rate 1 - d, lambda is scale, ``out_dtype``, else ``dtype``, is the output type.
        ``base_model`` is no expert even where it stands among the models, except for linear and
        karcher, which have no base and average it with the others, and slerp, which starts there.

    Raises:
        RecipeError: Not YAML, not mergekit's, an unknown key (the nearest known one is named), or
            a value that is refused.
    """
    return recipe_of_mergekit(read_document(text, NONE))


def recipe_of_mergekit(data: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a mapping in mergekit's format describes.

    Raises:
        RecipeError: As ``parse_mergekit``.
    """
    return strict(imported(data))


def import_mergekit(text: str) -> tuple[Imported, ...]:
    """Read all documents of a file of mergekit or mergekit-multi, with reports.

    Args:
        text: YAML, at most 64 KiB; of several documents all but the last need a ``name``, by
            which later ones may call the result.

    Raises:
        RecipeError: As ``parse_mergekit``, but an unknown key is a note; or a name is missing,
            stands twice or is used before its document.
    """
    found: list[Imported] = []
    documents = read_documents(text, NONE, MOST_DOCUMENTS)
    names = [data.get("name") for data in documents]
    for number, data in enumerate(documents):
        if names[number] is None and number < len(documents) - 1:
            raise RecipeError(f"Document {number + 1} has no name. Only the last may lack one.")
        if names[number] is not None and names[number] in names[:number]:
            raise RecipeError(f"The name {names[number]!r:.60} stands twice. Choose another.")
        one = imported(data)
        late = {n for n in names[number:] if n is not None} & models_of(one.recipe)
        if late:
            raise RecipeError(f"{min(late)!r:.60} is used before its document is merged.")
        found.append(one)
    return tuple(found)


def models_of(recipe: Recipe) -> set[str]:
    """Return the ids of all models that a recipe reads."""
    found = {
        run.model
        for runs in (recipe.base_layers, *(e.layers for e in recipe.experts))
        for run in runs
    }
    found |= {e.id for e in recipe.experts if not e.layers}
    return found | ({recipe.base} if recipe.base and not recipe.base_layers else set())


__all__ = [
    "METHODS",
    "Imported",
    "Note",
    "import_mergekit",
    "models_of",
    "of_tokens",
    "parse_mergekit",
    "recipe_of_mergekit",
    "why_not",
    "write_mergekit",
]
