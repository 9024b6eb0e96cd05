"""What a file of mergekit says besides weights: types, tokenizer, chat template, name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from merging.errors import RecipeError, unknown
from merging.recipe.mergekit.references import reference
from merging.recipe.mergekit.report import ROUNDED, Note, strangers
from merging.recipe.mergekit.token_rows import rows_of
from merging.recipe.model import DTYPES, Recipe
from merging.recipe.token_rows import TokenRow
from merging.recipe.tokens import BASE, POSITION, TEMPLATES, UNION, check_template, check_tokenizer

TYPES = (*DTYPES, "float64", "int64")
TOKENIZER_KEYS = ("source", "tokens", "pad_to_multiple_of")
FILLED = (
    "A row that a model lacks is the mean of the experts that have the token, else the base's; "
    "mergekit takes the base's first. Other models' pieces are no words of the tokenizer that is "
    "written; mergekit has each of them found in text."
)
AUTO = "The commonest template of the models is taken, the first of equals."


@dataclass(frozen=True, slots=True)
class Outside:
    """What a merge needs besides its weights.

    Attributes:
        name: Of the document, where a file has several.
        tokenizer: union, base or a model id; "" where nothing is said.
        pad_to_multiple_of: Rows of embeddings are filled up to a multiple of it.
        chat_template: A name of mergekit's or the template itself; None where nothing is said.
        tokens: Rows of single tokens; models as the file names them.
    """

    name: str = ""
    tokenizer: str = ""
    pad_to_multiple_of: int = 1
    chat_template: str | None = None
    tokens: tuple[TokenRow, ...] = ()


def outside_of(data: Mapping[str, Any]) -> tuple[Outside, tuple[Note, ...]]:
    """Return what stands beside the weights, and notes about it.

    Raises:
        RecipeError: tokenizer and tokenizer_source are both there, or one is malformed.
    """
    notes = []
    if "tokenizer" in data and "tokenizer_source" in data:
        raise RecipeError("tokenizer and tokenizer_source are both there. Keep tokenizer.")
    source, pad = "", 1
    tokens: tuple[TokenRow, ...] = ()
    if "tokenizer_source" in data:
        source = reference(data["tokenizer_source"], "tokenizer_source")
    elif "tokenizer" in data:
        source, pad, tokens, more = _tokenizer(data["tokenizer"])
        notes += more
    template, name = data.get("chat_template"), data.get("name", "")
    check_template(template)
    if not isinstance(name, str):
        raise RecipeError(f"name is {name!r:.60}; it must be a text.")
    notes += _of_words(bool(source), template)
    if str(data.get("dtype", "float32")).removeprefix("torch.") != "float32":
        notes.append(Note("differs", f"dtype {data['dtype']}", ROUNDED))
    return Outside(name, source, pad, template, tokens), tuple(notes)


def of_tokens(recipe: Recipe) -> Iterator[Note]:
    """Yield where mergekit does other than we do with what a recipe says of tokens."""
    yield from _of_words(recipe.tokenizer not in (None, POSITION), recipe.chat_template)


def _of_words(aligned: bool, template: object) -> Iterator[Note]:
    if aligned:
        yield Note("differs", "tokenizer", FILLED)
    if template in TEMPLATES:
        text = f"The template {template} is our own wording of the format, not mergekit's file."
        yield Note("differs", "chat_template", text if template != "auto" else AUTO)


def with_tokens(recipe: Recipe, said: Outside, base: str | None) -> Recipe:
    """Return a recipe with what its document says of tokens.

    Args:
        recipe: Of the weights.
        said: Beside them.
        base: The document's base_model; mergekit takes the first model where there is none.

    Raises:
        RecipeError: The tokenizer, or the row of a token, is that of a model which is not merged.
    """
    source = said.tokenizer
    if source == BASE:
        source = base or recipe.experts[0].id
    return replace(
        recipe,
        tokenizer=_whose(recipe, source) if source else None,
        pad_to_multiple_of=said.pad_to_multiple_of,
        chat_template=said.chat_template,
        tokens=tuple(
            replace(one, model=_whose(recipe, one.model)) if one.model else one
            for one in said.tokens
        ),
    )


def _whose(recipe: Recipe, source: str) -> str:
    """A model in the recipe's words: union, base or an expert's id."""
    if source == UNION:
        return UNION
    if recipe.base is not None and source == recipe.base:
        return BASE
    for expert in recipe.experts:
        if source == expert.id or (expert.layers and source == expert.layers[0].model):
            return expert.id
    raise RecipeError(
        f"tokenizer: {source!r:.60} is none of the models that are merged. Take union, base or one "
        "of these, or copy that tokenizer's files into the result."
    )


def _tokenizer(value: object) -> tuple[str, int, tuple[TokenRow, ...], list[Note]]:
    if not isinstance(value, dict):
        raise RecipeError("tokenizer must have a source: union, base or a model.")
    notes = list(strangers(value, TOKENIZER_KEYS, "tokenizer", "key of tokenizer"))
    tokens, more = rows_of(value.get("tokens"))
    pad = value.get("pad_to_multiple_of") or 1
    source = reference(value.get("source", UNION), "tokenizer: source")
    check_tokenizer(UNION, pad, ())
    return source, pad, tokens, [*notes, *more]


def output_type(data: Mapping[str, Any]) -> str | None:
    """Return the type to write: ``out_dtype``, else ``dtype``, else None.

    Raises:
        RecipeError: It is unknown or not one that is written.
    """
    chosen = None
    for key in ("dtype", "out_dtype"):
        if key not in data:
            continue
        if not isinstance(data[key], str):
            raise RecipeError(f"{key} is {data[key]!r:.60}; it must be a word.")
        chosen = data[key].removeprefix("torch.")
        if chosen not in TYPES:
            raise unknown(key, chosen, TYPES)
    if chosen in TYPES and chosen not in DTYPES:
        raise RecipeError(f"The output type {chosen} is not written. Set out_dtype to float32.")
    return chosen
