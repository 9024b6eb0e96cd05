"""The licence of a model, as its folder says; the text is not trusted, and nothing is guessed.

Looked at, first answer counts: ``license`` in the front matter of README.md, ``license`` in the
config, the title of a LICENSE file.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from merging.checkpoints.base import Checkpoint
from merging.checkpoints.folder import FolderCheckpoint
from merging.checkpoints.small_files import Refused, read_small
from merging.checkpoints.under import folders_under
from merging.errors import MergeError, RecipeError
from merging.recipe.document import read_document

CARD = "README.md"
MOST_BYTES = 1 << 20
_FRONT = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)
_NAME = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,59}")
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
_TITLES = (
    (re.compile(r"apache license\s+version 2\.0", re.I), "apache-2.0"),
    (re.compile(r"\bmit license\b|permission is hereby granted, free of charge", re.I), "mit"),
    (re.compile(r"llama 2 community license", re.I), "llama2"),
    (re.compile(r"llama 3\.(\d) community license", re.I), "llama3.x"),
    (re.compile(r"(meta )?llama 3 community license", re.I), "llama3"),
    (re.compile(r"gemma terms of use", re.I), "gemma"),
    (re.compile(r"gnu affero general public license", re.I), "agpl-3.0"),
    (re.compile(r"gnu lesser general public license", re.I), "lgpl-3.0"),
    (re.compile(r"gnu general public license", re.I), "gpl-3.0"),
    (re.compile(r"attribution-noncommercial-noderiv", re.I), "cc-by-nc-nd-4.0"),
    (re.compile(r"attribution-noderiv", re.I), "cc-by-nd-4.0"),
    (re.compile(r"attribution-noncommercial", re.I), "cc-by-nc-4.0"),
    (re.compile(r"attribution-sharealike", re.I), "cc-by-sa-4.0"),
)


def licences_of(model: Checkpoint) -> dict[str, str]:
    """Return the licence of everything that a model is made of, by name; "" where none is said.

    A model with an adapter or a delta has two licences, one put together from layers one of each.
    """
    return {folder.name: licence_of(folder) for folder in folders_under(model)}


def licence_of(model: FolderCheckpoint) -> str:
    """Return the licence of one model in lower case, or "".

    Only a plain identifier counts ("apache-2.0"); several of them, or a sentence, are not known.
    """
    try:
        config: Mapping[str, object] = model.config()
    except MergeError:
        config = {}
    for said in (_front_matter(_text(model.path, CARD)), config.get("license")):
        if name := _name(said):
            return name
    for file in _FILES:
        text = _text(model.path, file)[:2000]
        for title, licence in _TITLES:
            if title.search(text):
                return licence
    return ""


def _front_matter(text: str) -> object:
    found = _FRONT.match(text)
    if found is None:
        return None
    try:
        return read_document(found[1], "").get("license")
    except RecipeError:  # of the whole front matter only this line matters
        line = re.search(r"^license:[ \t]*([^\s#\[\]&*,]+)[ \t]*(?:#.*)?$", found[1], re.M)
        return line[1].strip("'\"") if line else None


def _name(said: object) -> str:
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    name = said.strip().lower() if isinstance(said, str) else ""
    return name if _NAME.fullmatch(name) and name != "unknown" else ""


def _text(folder: Path, name: str) -> str:
    try:
        return (read_small(folder, name, MOST_BYTES) or b"").decode("utf-8", "replace")
    except Refused:
        return ""
