"""How one tensor of several models fits together: shapes, kinds, heads, vocabularies, buffers."""

import re

import torch

from merging.checkpoints.base import Checkpoint, TensorInfo
from merging.checkpoints.vocabulary import EMBEDDING, POSITIONS
from merging.errors import CompatibilityError

# Tensors of task heads: they may differ between experts and are never merged then.
HEAD = re.compile(r"^(classifier|score|head|fc|lm_head|qa_outputs)\b")
# What BatchNorm measured while it was trained, and for how many batches.
STATISTICS = re.compile(r"(^|\.)running_(mean|var)$")
COUNTER = re.compile(r"(^|\.)num_batches_tracked$")


def mismatch(
    name: str, info: TensorInfo, other: TensorInfo | None, reference: str, expert: str
) -> str:
    """Say why a tensor of an expert does not fit the reference's, or return "".

    Args:
        name: The tensor.
        info: Its shape and type in the reference.
        other: The same in the expert, or None where it has none.
        reference, expert: Names for the message.
    """
    if other is None:
        return (
            f"{expert} has no tensor {name!r}, which {reference} has. "
            f"{expert} was not made from {reference}."
        )
    if other.shape != info.shape:
        if resized(name, info, other):
            return _other_vocabulary(name, info, other, reference, expert)
        return (
            f"{name!r} is {_size(info)} in {reference} and {_size(other)} in {expert}. "
            f"{expert} was not made from {reference}."
        )
    if other.dtype.is_floating_point != info.dtype.is_floating_point:
        return (
            f"{name!r} is {kind(info.dtype)} in {reference} and {kind(other.dtype)} in {expert}. "
            "Convert one of them."
        )
    return ""


def copy_reason(
    name: str, info: TensorInfo, reference: Checkpoint, experts: tuple[Checkpoint, ...]
) -> str:
    """Say why a tensor that fits is copied from the reference, or return "" where it is merged.

    Raises:
        CompatibilityError: It is no floating tensor and differs between the models.
    """
    if STATISTICS.search(name):
        return (
            f"BatchNorm statistics; {reference.name}'s are kept: measure them anew, by passing "
            "data through the merged model"
        )
    if 0 in info.shape:
        return "holds no number"
    if info.dtype.is_floating_point:
        return ""
    value = reference.load(name)
    for expert in experts:
        if bool((value == expert.load(name)).all()):
            continue
        if COUNTER.search(name):
            return f"counts batches and differs in {expert.name}; {reference.name}'s is kept"
        raise CompatibilityError(
            f"{name!r} holds {kind(info.dtype)} and differs between {reference.name} and "
            f"{expert.name}. Such tensors are never averaged: make them equal first."
        )
    return f"{kind(info.dtype)}, equal in all models"


def kind(dtype: torch.dtype) -> str:
    """Return the name of a type in words."""
    return str(dtype).removeprefix("torch.")


def resized(name: str, info: TensorInfo, other: TensorInfo) -> bool:
    """Return whether a tensor of two shapes is an embedding for more or fewer tokens."""
    if len(info.shape) != 2 or len(other.shape) != 2 or info.shape[1] != other.shape[1]:
        return False
    return bool(EMBEDDING.search(name)) and not POSITIONS.search(name)


def _other_vocabulary(
    name: str, info: TensorInfo, other: TensorInfo, reference: str, expert: str
) -> str:
    fewer = min(info.shape[0], other.shape[0])
    return (
        f"{name!r} has {info.shape[0]} rows in {reference} and {other.shape[0]} in {expert}: "
        "their vocabularies differ, and rows of different tokens cannot be averaged. Write "
        "tokenizer: union (or base) into the recipe, or resize with "
        f"resize_token_embeddings({fewer}) where the first {fewer} tokens are the same."
    )


def _size(info: TensorInfo) -> str:
    return "x".join(map(str, info.shape)) or "a single number"
