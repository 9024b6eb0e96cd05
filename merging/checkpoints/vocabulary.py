"""Vocabularies of different size: which row of each model belongs to which token of the result.

Rows go by token, never by position. ``aligned`` reads models in the order that is found here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.checkpoints.base import TensorInfo
from merging.checkpoints.tokens import Tokens
from merging.errors import CompatibilityError, ParameterError
from merging.recipe.tokens import UNION

EMBEDDING = re.compile(r"(^|[._])(embed\w*|tok\w*|word\w*|wte|shared)(\.weight)?$")
POSITIONS = re.compile(r"pos|type")
_OUTPUT = re.compile(
    r"^(?:\w+\.)*(?:lm_head\.(?:weight|bias)|embed_out\.weight|final_logits_bias"
    r"|cls\.predictions\.(?:bias|decoder\.(?:weight|bias)))$"
)


@dataclass(frozen=True, slots=True)
class Target:
    """The vocabulary of the result.

    Attributes:
        tokens: Token of every row, or None where a row has none (padding).
        source: Name of the model whose tokenizer it is, or ``union``.
        more: Those of its tokens that no model has, or not the one whose tokenizer it is.
    """

    tokens: tuple[str | None, ...]
    source: str
    more: tuple[str, ...] = ()

    def ids(self) -> dict[str, int]:
        """Return the id of every token."""
        return {token: at for at, token in enumerate(self.tokens) if token is not None}


@dataclass(frozen=True, slots=True)
class Difference:
    """How two vocabularies differ.

    Attributes:
        moved: Tokens of both that have another id.
        only: Tokens of the first only, and of the second only.
        example: A token whose row is another token's in the other model, or None where all rows
            that both have mean the same.
    """

    moved: int
    only: tuple[int, int]
    example: str | None


def difference(ours: Tokens, theirs: Tokens) -> Difference:
    """Return how two vocabularies differ."""
    moved = [t for t, at in ours.ids.items() if theirs.ids.get(t, at) != at]
    only = tuple(sum(t not in b.ids for t in a.ids) for a, b in ((ours, theirs), (theirs, ours)))
    owners = {at: t for t, at in ours.ids.items()}
    clash = [t for t, at in theirs.ids.items() if owners.get(at, t) != t]
    return Difference(len(moved), (only[0], only[1]), next(iter(moved or clash), None))


def union_of(
    vocabularies: Sequence[Tokens], pad_to_multiple_of: int = 1, more: Sequence[str] = ()
) -> Target:
    """Return the union: the first one's tokens keep their ids, the others' follow by model and id.

    Args:
        vocabularies: The reference's first.
        pad_to_multiple_of: Rows without a token are added until this divides their number.
        more: Tokens that follow where no vocabulary has them.

    Raises:
        ParameterError: ``pad_to_multiple_of`` is less than 1.
    """
    first, *others = vocabularies
    rows: list[str | None] = [None] * first.size
    for token, at in first.ids.items():
        rows[at] = token
    there = set(first.ids)
    for other in others:
        for token in sorted(other.ids, key=lambda t: other.ids[t]):
            if token not in there:
                there.add(token)
                rows.append(token)
    new = [token for token in more if token not in there]
    return Target(_padded([*rows, *new], pad_to_multiple_of), UNION, tuple(new))


def named(
    tokens: Tokens, rows: int, source: str, pad_to_multiple_of: int = 1, more: Sequence[str] = ()
) -> Target:
    """Return the vocabulary of one model, with the rows of its embedding that have no token.

    Args:
        tokens: Of the model.
        rows: Of its embedding.
        source: Its name.
        pad_to_multiple_of: As in ``union_of``.
        more: Tokens for the rows after its last token where it does not have them.

    Raises:
        ParameterError: ``pad_to_multiple_of`` is less than 1.
    """
    new = [token for token in more if token not in tokens.ids]
    found: list[str | None] = [None] * max(rows, tokens.size + len(new))
    for token, at in tokens.ids.items():
        found[at] = token
    found[tokens.size : tokens.size + len(new)] = new
    return Target(_padded(found, pad_to_multiple_of), source, tuple(new))


def rows_in(target: Target, name: str, tokens: Tokens, rows: int) -> Tensor:
    """Return the row of a model that each row of the target takes its values from.

    Args:
        target: The vocabulary of the result.
        name: Name of the model.
        tokens: Its tokens.
        rows: Rows of its embedding.

    Returns:
        Shape (rows of the target,), int64; -1 where the model has no such token. A row without a
        token is found, at its place, only in the model whose vocabulary the target is.
    """
    found = torch.full((len(target.tokens),), -1, dtype=torch.int64)
    for at, token in enumerate(target.tokens):
        row = tokens.ids.get(token, -1) if token is not None else -1
        if token is None and name == target.source and at < rows:
            row = at
        if 0 <= row < rows:
            found[at] = row
    return found


def vocabulary_tensors(infos: Mapping[str, TensorInfo], label: str) -> tuple[tuple[str, ...], int]:
    """Return the tensors that have a row for every token, and how many rows they have.

    Args:
        infos: Of a model.
        label: Its name, for messages.

    Raises:
        CompatibilityError: There is no embedding of tokens.
    """
    inputs = [
        name
        for name, info in sorted(infos.items())
        if len(info.shape) == 2 and EMBEDDING.search(name) and not POSITIONS.search(name)
    ]
    if not inputs:
        raise CompatibilityError(
            f"{label} has no embedding of tokens, so that its rows cannot be aligned. Take the "
            "line tokenizer out of the recipe."
        )
    rows = max(infos[name].shape[0] for name in inputs)
    outputs = [name for name in sorted(infos) if _OUTPUT.match(name)]
    fitting = (n for n in (*inputs, *outputs) if infos[n].shape[:1] == (rows,))
    return tuple(fitting), rows


def _padded(rows: list[str | None], multiple: int) -> tuple[str | None, ...]:
    if multiple < 1:
        raise ParameterError(f"pad_to_multiple_of is {multiple}; it must be at least 1.")
    return (*rows, *([None] * (-len(rows) % multiple)))
