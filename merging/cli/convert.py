"""``convert RECIPE --to own|mergekit``: a recipe in the other format, with a report."""

import sys
from pathlib import Path

from merging.cli.models import read_text
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.errors import RecipeError, SourceError
from merging.recipe import Recipe, parse_recipe, write_recipe
from merging.recipe.document import read_documents
from merging.recipe.mergekit import Imported, import_mergekit, of_tokens, write_mergekit


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Convert a recipe's file; notes go to stderr, with ``--json`` into the answer.

    Raises:
        RecipeError: It cannot be read, or mergekit cannot express it; nothing is written then.
        SourceError: A file cannot be read or written.
    """
    found = _read(read_text(options.recipe))
    if options.to == "mergekit":
        texts = [write_mergekit(one.recipe, one.name) for one in found]
    else:
        texts = [write_recipe(one.recipe) for one in found]
    if len(texts) > 1 and options.to == "own":
        raise RecipeError(
            f"The file holds {len(texts)} documents, one merge after another. A recipe of ours is "
            "one merge: convert each by itself."
        )
    text = "---\n".join(texts)
    notes = [note for one in found for note in one.notes]
    if options.to == "mergekit":
        notes += [note for one in found for note in of_tokens(one.recipe)]
    notes = list(dict.fromkeys(notes))
    if not options.json and not options.quiet:
        for note in notes:
            print(f"{note.kind}: {note.where}: {note.text}", file=sys.stderr)
    written = options.out != Path()
    if written:
        _write(options.out, text)
    data = {
        "format": options.to,
        "recipe": [one.recipe.key() for one in found],
        "out": options.out if written else None,
        "text": text,
        "notes": [{"kind": n.kind, "where": n.where, "text": n.text} for n in notes],
    }
    return Answer(f"wrote {options.out}" if written else text.rstrip(), data)


def _read(text: str) -> tuple[Imported, ...]:
    """Recipes of a file in either format."""
    documents = read_documents(text, "This is no recipe.", 64)
    if "format" in documents[0]:
        recipe: Recipe = parse_recipe(text)
        return (Imported(recipe),)
    return import_mergekit(text)


def _write(path: Path, text: str) -> None:
    """Write a text under a temporary name and rename it."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SourceError(f"Cannot write {str(path)!r}: {error.strerror}.") from error
