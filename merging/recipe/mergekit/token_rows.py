"""mergekit's ``tokenizer: tokens``: rows of single tokens, to ours and back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from merging.errors import RecipeError
from merging.recipe.mergekit.references import reference
from merging.recipe.mergekit.report import Note, strangers
from merging.recipe.token_rows import TokenRow

KINDS = ("zero", "model_token")
ENTRY = ("source", "force")
SOURCE = ("kind", "model", "token", "token_id")


def rows_of(value: object) -> tuple[tuple[TokenRow, ...], tuple[Note, ...]]:
    """Read what a file of mergekit says of single tokens; models stand as it names them.

    Raises:
        RecipeError: An entry is malformed, or has no source.
    """
    if value is None:
        return (), ()
    if not isinstance(value, Mapping):
        raise RecipeError("tokenizer: tokens must name tokens, each with a source.")
    rows: list[TokenRow] = []
    notes: list[Note] = []
    for token, entry in value.items():
        where = f"tokenizer: tokens: {token!r:.60}"
        if not isinstance(entry, Mapping) or entry.get("source") is None:
            raise RecipeError(f"{where} has no source. mergekit stops there too. Add one.")
        notes += strangers(entry, ENTRY, where, "key of a token")
        force = entry.get("force", False)
        if not isinstance(force, bool):
            raise RecipeError(f"{where}: force must be true or false.")
        rows.append(_row(str(token), entry["source"], force, where))
    return tuple(rows), tuple(notes)


def _row(token: str, source: object, force: bool, where: str) -> TokenRow:
    if not isinstance(source, Mapping) or "kind" not in source:
        return TokenRow(token, reference(source, f"{where}: source"), force=force)
    kind = source["kind"]
    if kind == "zero":
        return TokenRow(token, force=force)
    if kind != "model_token":
        raise RecipeError(f"{where}: kind is {kind!r:.40}; it must be {' or '.join(KINDS)}.")
    if (stranger := next((k for k in source if k not in SOURCE), None)) is not None:
        raise RecipeError(f"{where}: {stranger!r:.40} is no part of a source. Known: {SOURCE}.")
    like, row = source.get("token"), source.get("token_id")
    if (like is None) == (row is None):
        raise RecipeError(f"{where}: a source of kind model_token has a token or a token_id.")
    if like is not None and not isinstance(like, str):
        raise RecipeError(f"{where}: token is {like!r:.40}; it must be a text.")
    if row is not None and (isinstance(row, bool) or not isinstance(row, int)):
        raise RecipeError(f"{where}: token_id is {row!r:.40}; it must be a whole number.")
    model = reference(source.get("model"), f"{where}: model")
    return TokenRow(token, model, like or "", row, force)


def written(rows: Sequence[TokenRow], base: str | None) -> dict[str, Any]:
    """Return rows in mergekit's words.

    Args:
        rows: Of a recipe.
        base: What its ``base`` is.
    """
    return {one.token: _entry(one, base) for one in rows}


def _entry(one: TokenRow, base: str | None) -> dict[str, Any]:
    model = base if one.model == "base" else one.model
    source: object = model
    if not one.model:
        source = {"kind": "zero"}
    elif one.like:
        source = {"kind": "model_token", "model": model, "token": one.like}
    elif one.row is not None:
        source = {"kind": "model_token", "model": model, "token_id": one.row}
    return {"source": source, **({"force": True} if one.force else {})}


def why_not(rows: Sequence[TokenRow], based: bool) -> Iterator[str]:
    """Yield why mergekit cannot take rows from where a recipe says.

    Args:
        rows: Of a recipe.
        based: Whether the base is one of the models that mergekit reads for this recipe.
    """
    if not based and any(one.model == "base" for one in rows):
        yield "tokens takes rows of the base, which mergekit does not read for this method."


__all__ = ["rows_of", "why_not", "written"]
