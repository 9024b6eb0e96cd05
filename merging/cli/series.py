"""``merge`` of a file with several documents: one merge after another, each in its own folder."""

import os
import re
from pathlib import Path

from merging.cli.models import read_text
from merging.engine.claim import Claim
from merging.errors import RecipeError
from merging.recipe import Recipe, read_recipe
from merging.recipe.document import read_documents
from merging.recipe.formats import NEITHER
from merging.recipe.mergekit import MOST_DOCUMENTS, import_mergekit
from merging.recipe.mergekit.read import strict
from merging.recipe.renamed import renamed

_PLAIN = re.compile(r"[A-Za-z0-9][\w.-]{0,79}", re.ASCII)


def read_series(path: Path, out: Path) -> list[tuple[Recipe, Path]]:
    """Return the merges of a recipe's file in order, with the folder of each.

    The last one goes to ``out``, those before it beside it, to ``out-NAME``; a later recipe that
    calls NAME names that folder.

    Args:
        path: The recipe's file.
        out: Where the last model goes.

    Raises:
        SourceError: The file cannot be read, or a folder is in use.
        RecipeError: A document is refused, or its name is none for a folder.
    """
    text = read_text(path)
    several = read_documents(text, NEITHER, MOST_DOCUMENTS)
    if len(several) < 2:
        return [(read_recipe(text), out)]
    if any("format" in data for data in several):
        raise RecipeError(
            f"The file holds {len(several)} documents. Only those of mergekit may call each other: "
            "give each recipe of ours a file."
        )
    found: list[tuple[Recipe, Path]] = []
    places: dict[str, str] = {}
    documents = import_mergekit(text)
    for number, one in enumerate(documents, 1):
        folder = out
        if number < len(documents):
            if not _PLAIN.fullmatch(one.name):
                raise RecipeError(
                    f"The document's name {one.name!r:.60} is to be part of a folder's name: "
                    "letters, digits, dots, dashes."
                )
            folder = out.with_name(f"{out.name}-{one.name}")
        found.append((renamed(strict(one), places), folder))
        places[one.name] = os.path.relpath(folder.resolve(), path.resolve().parent)
    for _, folder in found:  # before any work
        Claim(folder).release()
    return found
