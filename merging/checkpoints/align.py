"""Bring the models of a recipe to one vocabulary by token, or refuse to mix rows of others."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from merging.checkpoints.aligned import AlignedCheckpoint, Fill, Given, Group
from merging.checkpoints.base import Checkpoint
from merging.checkpoints.tokens import Tokens, read_tokens, same_files
from merging.checkpoints.under import folder_under
from merging.checkpoints.vocabulary import (
    Difference,
    Target,
    difference,
    named,
    rows_in,
    union_of,
    vocabulary_tensors,
)
from merging.errors import CompatibilityError, RecipeError, SourceError
from merging.recipe.token_rows import TokenRow
from merging.recipe.tokens import BASE, UNION

BY_TOKEN = (
    "Write tokenizer: union (or base) into the recipe; rows then go by token. Where a token was "
    "only renamed, tokenizer: position takes rows as they stand."
)


def align(
    target: str,
    base: Checkpoint | None,
    experts: Mapping[str, Checkpoint],
    *,
    fill: Fill = "mean",
    pad_to_multiple_of: int = 1,
    given: Sequence[TokenRow] = (),
) -> tuple[Checkpoint | None, dict[str, Checkpoint]]:
    """Return views of models whose rows stand in one vocabulary.

    Where all vocabularies are equal already, the models themselves are returned.

    Args:
        target: ``union``, ``base`` or the id of an expert.
        base: The shared starting point, or None.
        experts: By id, in computing order.
        fill: What a row is that no model has: the mean of the model's rows, or zero.
        pad_to_multiple_of: Rows without a token are added until this divides their number.
        given: Rows of single tokens that the recipe sets.

    Raises:
        RecipeError: The target is ``base`` and there is none, or no expert has this id; or a row
            that is set is of a token or a number that its model does not have.
        SourceError: A tokenizer is missing or cannot be read.
        CompatibilityError: A model has no embedding of tokens, two models have one name, or a row
            that is set is of a model that lacks a tensor which another one has.
        ParameterError: ``pad_to_multiple_of`` is less than 1.
    """
    known = _checked(target, base, experts)
    models = {m.name: m for m in ([base] if base else []) + list(experts.values())}
    if len(models) < len(experts) + (base is not None):
        raise CompatibilityError("Two models have the same name; give each its own to align them.")
    tokens = {name: tokens_of(model) for name, model in models.items()}
    tables = {n: vocabulary_tensors(m.tensors(), n) for n, m in models.items()}
    new = [one.token for one in given]
    if target == UNION:
        made = union_of(list(tokens.values()), pad_to_multiple_of, new)
    else:
        made = named(tokens[known], tables[known][1], known, pad_to_multiple_of, new)
    names = {key: m.name for key, m in experts.items()} | ({BASE: base.name} if base else {})
    rows = _given(given, made, names, tokens, tables)
    _check_given(rows, models, tables)
    if not any(one.force for one in rows) and all(
        t.ids == made.ids() and tables[n][1] == len(made.tokens) for n, t in tokens.items()
    ):
        return base, dict(experts)
    group = Group(
        models, {n: rows_in(made, n, tokens[n], tables[n][1]) for n in models},
        base.name if base else "", made, fill, rows,
    )  # fmt: skip
    views: dict[str, Checkpoint] = {
        n: AlignedCheckpoint(m, group, frozenset(tables[n][0]), tokens[n])
        for n, m in models.items()
    }
    first = views[base.name] if base else None
    return first, {key: views[model.name] for key, model in experts.items()}


def check_positions(models: Sequence[Checkpoint]) -> None:
    """Refuse models whose rows of one number are of different tokens.

    What has no tokenizer that can be read is passed over: the check before a merge says so.

    Args:
        models: The base, if there is one, and the experts.

    Raises:
        CompatibilityError: Two vocabularies differ.
    """
    first, *others = models
    ours: Tokens | None = None
    folder = folder_of(first)
    for other in others:
        place = folder_of(other)
        if folder is None or place in (None, folder) or same_files(folder, place):
            continue
        try:
            ours = ours or read_tokens(folder, first.name)
            theirs = read_tokens(place, other.name)
        except SourceError:
            continue
        if ours is not None and theirs is not None:
            found = difference(ours, theirs)
            if found.example is not None:
                raise CompatibilityError(f"{clash_text(first.name, other.name, found)} {BY_TOKEN}")


def clash_text(ref: str, name: str, found: Difference) -> str:
    """Say in words that rows of one number are of different tokens in two models."""
    return (
        f"The vocabularies of {ref} and {name} differ: {found.moved} shared token(s) have another "
        f"id, {found.only[0]} are in {ref} only and {found.only[1]} in {name} only; for example "
        f"{found.example!r:.60}. Averaged by position, rows of different tokens would be mixed."
    )


def tokens_of(model: Checkpoint) -> Tokens:
    """Return the tokens of a model.

    Raises:
        SourceError: There is no tokenizer that can be read beside its config.
    """
    folder = folder_of(model)
    found = read_tokens(folder, model.name) if folder is not None else None
    if found is None:
        raise SourceError(
            f"Model {model.name} has no tokenizer.json, vocab.json or vocab.txt, so that its rows "
            "cannot be matched by token. Save its tokenizer into its folder."
        )
    return found


def folder_of(model: Checkpoint) -> Path | None:
    """Return the folder in which a model's config and tokenizer lie, or None."""
    found = folder_under(model)
    return None if found is None else found.about.parent


def _given(
    rows: Sequence[TokenRow],
    made: Target,
    names: Mapping[str, str],
    tokens: Mapping[str, Tokens],
    tables: Mapping[str, tuple[tuple[str, ...], int]],
) -> tuple[Given, ...]:
    """Where rows that a recipe sets stand and come from; ``names`` are the models' by its words."""
    ids, found = made.ids(), []
    for one in rows:
        name, row = names.get(one.model, ""), one.row
        if one.model and row is None:
            row = tokens[name].ids.get(one.like or one.token)
            if row is None:
                raise RecipeError(
                    f"tokens: {one.token!r:.60} takes the row of {one.like or one.token!r:.60} in "
                    f"{one.model}, which has no such token. Name another (like), or a row."
                )
        if one.model and not 0 <= (row or 0) < tables[name][1]:
            raise RecipeError(
                f"tokens: {one.token!r:.60} takes row {row} of {one.model}, which has "
                f"{tables[name][1]} rows."
            )
        found.append(Given(ids[one.token], name, row or 0, one.force))
    return tuple(found)


def _check_given(
    rows: Sequence[Given],
    models: Mapping[str, Checkpoint],
    tables: Mapping[str, tuple[tuple[str, ...], int]],
) -> None:
    """Refuse rows of models that lack a tensor, or have narrower or wider rows."""
    for source in sorted({one.model for one in rows} - {""}):
        theirs = models[source].tensors()
        for name, model in models.items():
            infos = model.tensors()
            for tensor in tables[name][0]:
                there = theirs.get(tensor)
                if there is None or there.shape[1:] != infos[tensor].shape[1:]:
                    raise CompatibilityError(
                        f"tokens takes rows of {source}, which has no {tensor!r} with rows like "
                        f"those of {name}. Take rows of another model."
                    )


def _checked(target: str, base: Checkpoint | None, experts: Mapping[str, Checkpoint]) -> str:
    """The name of the model whose vocabulary is the target; "" for the union."""
    if target == UNION:
        return ""
    if target == BASE and base is not None:
        return base.name
    if target in experts:
        return experts[target].name
    raise RecipeError(f"tokenizer is {target!r:.60}, but there is no such model in the recipe.")
