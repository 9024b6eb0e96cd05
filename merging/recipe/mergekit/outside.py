"""What a file of mergekit says besides weights: types, tokenizer, chat template, name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from merging.errors import RecipeError, unknown
from merging.recipe.mergekit.references import reference
from merging.recipe.mergekit.report import ROUNDED, Note, strangers
from merging.recipe.model import DTYPES

TYPES = (*DTYPES, "float64", "int64")
TOKENIZER_KEYS = ("source", "tokens", "pad_to_multiple_of")
TEMPLATES = ("auto", "alpaca", "chatml", "llama3", "mistral", "exaone")
SHORTEST_TEMPLATE = 20


@dataclass(frozen=True, slots=True)
class Outside:
    """What a merge needs besides its weights.

    Attributes:
        name: Of the document, where a file has several.
        tokenizer: union, base or a model id; "" where nothing is said.
        pad_to_multiple_of: Rows of embeddings are filled up to a multiple of it; 0 for none.
        chat_template: A name of mergekit's or the template itself; "" where nothing is said.
    """

    name: str = ""
    tokenizer: str = ""
    pad_to_multiple_of: int = 0
    chat_template: str = ""


def outside_of(data: Mapping[str, Any]) -> tuple[Outside, tuple[Note, ...]]:
    """Return what stands beside the weights, and notes about it.

    Raises:
        RecipeError: tokenizer and tokenizer_source are both there, or one is malformed.
    """
    notes = []
    if "tokenizer" in data and "tokenizer_source" in data:
        raise RecipeError("tokenizer and tokenizer_source are both there. Keep tokenizer.")
    source, pad = "", 0
    if "tokenizer_source" in data:
        source = reference(data["tokenizer_source"], "tokenizer_source")
    elif "tokenizer" in data:
        source, pad, more = _tokenizer(data["tokenizer"])
        notes += more
    template = data.get("chat_template", "")
    if not isinstance(template, str) or (
        template and template not in TEMPLATES and not _is_template(template)
    ):
        raise RecipeError(
            f"chat_template is {template!r:.60}; it must be one of {', '.join(TEMPLATES)}, or a "
            "Jinja template of at least 20 characters."
        )
    name = data.get("name", "")
    if not isinstance(name, str):
        raise RecipeError(f"name is {name!r:.60}; it must be a text.")
    for key, said in (("tokenizer", source), ("chat_template", template)):
        if said:
            text = f"{key} {said!r:.60} is no matter of weights; say it where the model is written."
            notes.append(Note("carry", key, text))
    if str(data.get("dtype", "float32")).removeprefix("torch.") != "float32":
        notes.append(Note("differs", f"dtype {data['dtype']}", ROUNDED))
    return Outside(name, source, pad, template), tuple(notes)


def _tokenizer(value: object) -> tuple[str, int, list[Note]]:
    if not isinstance(value, dict):
        raise RecipeError("tokenizer must have a source: union, base or a model.")
    notes = list(strangers(value, TOKENIZER_KEYS, "tokenizer", "key of tokenizer"))
    if value.get("tokens"):
        raise RecipeError(
            "tokenizer: tokens sets rows of single tokens, which is not read. Leave it out: a "
            "token takes the mean of the models that have it."
        )
    pad = value.get("pad_to_multiple_of") or 0
    if isinstance(pad, bool) or not isinstance(pad, int) or not 0 <= pad <= 65_536:
        raise RecipeError(f"tokenizer: pad_to_multiple_of is {pad!r:.40}; it must be up to 65,536.")
    return reference(value.get("source", "union"), "tokenizer: source"), pad, notes


def _is_template(text: str) -> bool:
    return "{" in text and len(text) >= SHORTEST_TEMPLATE


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
