"""Licences of models, as their own cards say."""

import re
from collections.abc import Mapping
from pathlib import Path

from merging.checkpoints.base import Checkpoint
from merging.errors import RecipeError
from merging.export.read import Refused, read_small
from merging.recipe.document import read_document

CARD = "README.md"
MOST_CARD_BYTES = 1 << 20
_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,59}")


def licence_of(model: Checkpoint) -> str:
    """Return the licence in the front matter of a model's card, in lower case, or "".

    Only a plain identifier counts ("apache-2.0"); a list, a sentence or "other" is not known.
    """
    path = getattr(model, "path", None)
    if not isinstance(path, Path):
        return ""
    try:
        found = _FRONT.match((read_small(path, CARD, MOST_CARD_BYTES) or b"").decode())
        said = read_document(found[1], "").get("license") if found else None
    except (Refused, UnicodeDecodeError, RecipeError):
        return ""
    name = said.lower() if isinstance(said, str) and _NAME.fullmatch(said) else ""
    return "" if name in ("other", "unknown") else name


def common_licence(licences: Mapping[str, str]) -> tuple[str, str]:
    """Return the licence of a merge and a sentence on it.

    Args:
        licences: Licence of each model by its name, "" where it is not known.

    Returns:
        The licence that all models share, or "other"; and in words why.
    """
    unknown = sorted(name for name, said in licences.items() if not said)
    known = sorted({said for said in licences.values() if said})
    if not unknown and len(known) == 1:
        return known[0], f"All models that were merged are under {known[0]}."
    if unknown:
        names = ", ".join(unknown[:8]) + (" and others" if len(unknown) > 8 else "")
        return "other", (
            f"The licence of {names} is not known here, so none is claimed for the merge. "
            "Find it out before you publish the result."
        )
    each = "; ".join(f"{name}: {said}" for name, said in sorted(licences.items())[:12])
    return "other", (
        f"The models that were merged have different licences ({each}), so none is claimed for "
        "the merge. Find out whether they allow it before you publish the result."
    )
