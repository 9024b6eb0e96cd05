"""Rows of single tokens that a recipe sets: from which model or zero, and whether for all."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merging.errors import RecipeError, unknown

KEYS = ("model", "like", "row", "zero", "force")
MOST_TOKENS, LONGEST_TOKEN, MOST_ROWS = 1000, 500, 10_000_000


@dataclass(frozen=True, slots=True)
class TokenRow:
    """What the embedding and output rows of a token are in models that lack it.

    Attributes:
        token: Any text; where no vocabulary has it, the result's gets it.
        model: Whose row it is: ``base`` or an expert's id; "" for zeros.
        like: The token of that model whose row is taken; "" for the token itself.
        row: The row that is taken, from 0, where no token names it; None otherwise.
        force: Whether models that have the token get this row too.
    """

    token: str
    model: str = ""
    like: str = ""
    row: int | None = None
    force: bool = False


def check_token_rows(rows: Sequence[TokenRow], aligned: bool, models: Collection[str]) -> None:
    """Check the rows that a recipe sets.

    Args:
        rows: In any order.
        aligned: Whether the recipe brings its models to one vocabulary.
        models: ``base`` where there is one, and the experts' ids.

    Raises:
        RecipeError: A token stands twice or is no text of 1 to 500 characters, a model is not in
            the recipe, a row is out of range, or the recipe names no vocabulary.
    """
    if rows and not aligned:
        raise RecipeError(
            "tokens sets rows of a vocabulary, and the recipe names none. Add tokenizer: union, "
            "base or a model."
        )
    if len(rows) > MOST_TOKENS:
        raise RecipeError(f"tokens names {len(rows)} tokens; at most {MOST_TOKENS} are read.")
    seen: set[str] = set()
    for one in rows:
        where = f"tokens: {one.token!r:.60}"
        if not (isinstance(one.token, str) and 1 <= len(one.token) <= LONGEST_TOKEN):
            raise RecipeError(f"{where} is no text of 1 to {LONGEST_TOKEN} characters.")
        if one.token in seen:
            raise RecipeError(f"{where} stands twice. Keep one.")
        seen.add(one.token)
        _check_source(one, where, models)


def _check_source(one: TokenRow, where: str, models: Collection[str]) -> None:
    if one.model and one.model not in models:
        raise unknown(f"model of {where}", one.model, tuple(models))
    if not one.model and (one.like or one.row is not None):
        raise RecipeError(f"{where} names a row and no model. Add model: base or an expert's id.")
    if one.like and one.row is not None:
        raise RecipeError(f"{where} has like and row. Keep one of them.")
    if one.row is not None and not 0 <= one.row < MOST_ROWS:
        raise RecipeError(f"{where}: row is {one.row}; it must be from 0 to {MOST_ROWS - 1}.")


def read_token_rows(value: object) -> tuple[TokenRow, ...]:
    """Read what a recipe says under ``tokens``: a mapping of tokens to where their rows come from.

    Raises:
        RecipeError: It is no such mapping, or a key is unknown or of the wrong kind.
    """
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise RecipeError('tokens must name tokens, such as "<|end|>": {model: base}.')
    return tuple(_row(str(token), entry) for token, entry in value.items())


def _row(token: str, entry: object) -> TokenRow:
    where = f"tokens: {token!r:.60}"
    if not isinstance(entry, Mapping):
        raise RecipeError(f"{where} is {entry!r:.60}; it must be {{model: id}} or {{zero: true}}.")
    for key in entry:
        if key not in KEYS:
            raise unknown(f"key of {where}", str(key), KEYS)
    model, like, row = entry.get("model", ""), entry.get("like", ""), entry.get("row")
    zero, force = entry.get("zero", False), entry.get("force", False)
    if not (isinstance(model, str) and isinstance(like, str)):
        raise RecipeError(f"{where}: model and like must be words.")
    if not (isinstance(zero, bool) and isinstance(force, bool)):
        raise RecipeError(f"{where}: zero and force must be true or false.")
    if row is not None and (isinstance(row, bool) or not isinstance(row, int)):
        raise RecipeError(f"{where}: row is {row!r:.40}; it must be a whole number.")
    if zero == bool(model):
        raise RecipeError(f"{where} needs either model: base or an expert's id, or zero: true.")
    return TokenRow(token, model, like, row, force)


def write_token_rows(rows: Sequence[TokenRow]) -> dict[str, dict[str, Any]]:
    """Return rows as ``read_token_rows`` reads them."""
    return {one.token: _told(one) for one in rows}


def _told(one: TokenRow) -> dict[str, Any]:
    found: dict[str, Any] = {"model": one.model} if one.model else {"zero": True}
    if one.like:
        found["like"] = one.like
    if one.row is not None:
        found["row"] = one.row
    return found | ({"force": True} if one.force else {})
