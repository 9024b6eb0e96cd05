"""What a recipe says of tokens: whose vocabulary, padding of its rows, the chat template."""

from collections.abc import Collection

from merging.errors import ParameterError, RecipeError, unknown

UNION, BASE, POSITION = "union", "base", "position"
TEMPLATES = ("auto", "alpaca", "chatml", "llama3", "mistral", "exaone")
SHORTEST_TEMPLATE, LONGEST_TEMPLATE = 20, 60_000
MOST_PADDING = 65_536


def check_tokenizer(tokenizer: object, pad: object, models: Collection[str]) -> None:
    """Check whose vocabulary a merge has.

    Args:
        tokenizer: ``union``, ``base``, ``position`` (rows as they stand) or an expert's id; None
            where nothing is said.
        pad: A number that divides the rows, at least 1.
        models: ``base`` where there is one, and the experts' ids.

    Raises:
        RecipeError: It is none of these, or rows are padded that are not brought to a vocabulary.
        ParameterError: ``pad`` is no whole number from 1 to 65,536.
    """
    known = (UNION, POSITION, *models)
    if tokenizer is not None and tokenizer not in known:
        raise unknown("tokenizer", str(tokenizer), known)
    if isinstance(pad, bool) or not isinstance(pad, int) or not 1 <= pad <= MOST_PADDING:
        raise ParameterError(
            f"pad_to_multiple_of is {pad!r:.40}; it must be a whole number, 1 to {MOST_PADDING}."
        )
    if pad > 1 and tokenizer in (None, POSITION):
        raise RecipeError(
            "pad_to_multiple_of is of a vocabulary, and the recipe names none. Add tokenizer: "
            "union, base or a model."
        )


def check_template(template: object) -> None:
    """Check a chat template.

    Args:
        template: A name of ``TEMPLATES``, a text in Jinja, or None.

    Raises:
        RecipeError: It is neither.
    """
    if template is None or template in TEMPLATES:
        return
    if isinstance(template, str) and _is_jinja(template):
        return
    if isinstance(template, str) and template.isidentifier():
        raise unknown("chat_template", template, TEMPLATES)
    raise RecipeError(
        f"chat_template is {template!r:.60}; it must be one of {', '.join(TEMPLATES)}, or a "
        f"Jinja template of {SHORTEST_TEMPLATE} to {LONGEST_TEMPLATE} characters."
    )


def _is_jinja(text: str) -> bool:
    known = all(c.isprintable() or c in "\n\t" for c in text)
    return known and "{" in text and SHORTEST_TEMPLATE <= len(text) <= LONGEST_TEMPLATE
