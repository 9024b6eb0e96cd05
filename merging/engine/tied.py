"""Tied weights: one matrix under two names, such as an embedding that is also the output layer.

Files of ``transformers`` keep one of the names; files of other tools, and models in memory, keep
both. A tied matrix must count once: a trim over the whole model would rank it twice, and random
masks by name would untie it.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from hashlib import blake2b

import torch

from merging.checkpoints.base import Checkpoint
from merging.engine.fit import HEAD

LOOK = 16


def tied_names(
    reference: Checkpoint, experts: Sequence[Checkpoint], names: Collection[str]
) -> dict[str, str]:
    """Find the names that only repeat another tensor.

    Two matrices are tied where the reference holds the same values under both names, every expert
    that has both does too, and some expert changed them. Vectors are left alone, and so is what
    nobody changed: many start as zeros or ones and are equal by chance.

    Args:
        reference: Base or first expert.
        experts: All experts.
        names: Floating tensors of the reference.

    Returns:
        The repeated name and the name it is tied to, which every expert has.

    Source:
        Press and Wolf 2017, arXiv:1608.05859 (tied embeddings).
    """
    tied: dict[str, str] = {}
    contents = _Contents()
    for group in _look_alike(reference, names):
        for index, name in enumerate(group):
            for first in group[:index]:
                if first not in tied and _same(contents, reference, experts, first, name):
                    tied[name] = first
                    break
    return tied


def tied_to(model: Checkpoint, name: str, names: Collection[str]) -> str | None:
    """Return which of the names holds the matrix ``name`` of this model too, or None."""
    info = model.tensors()[name]
    if len(info.shape) < 2:
        return None
    value = model.load(name)
    for other, theirs in model.tensors().items():
        alike = other != name and other in names and theirs == info
        if alike and torch.equal(model.load(other), value):
            return other
    return None


def _look_alike(reference: Checkpoint, names: Collection[str]) -> list[list[str]]:
    """Group matrices of equal shape, type and first values."""
    shapes = defaultdict(list)
    for name, info in reference.tensors().items():
        if name in names and len(info.shape) > 1:
            shapes[info].append(name)
    groups = defaultdict(list)
    for info, alike in shapes.items():
        if len(alike) < 2:
            continue
        for name in alike:
            first = tuple(reference.load(name).flatten()[:LOOK].tolist())
            groups[info, first].append(name)
    # Heads last: what a method does by name it does by the embedding's.
    return [sorted(g, key=lambda n: (bool(HEAD.match(n)), n)) for g in groups.values()]


class _Contents:
    """Compares tensors by digests: many that look alike are read once each, not in pairs."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], bytes] = {}

    def equal(self, one: Checkpoint, name: str, other: Checkpoint, theirs: str) -> bool:
        """Whether two tensors hold the same values."""
        if one.tensors()[name] == other.tensors()[theirs]:
            return self._digest(one, name) == self._digest(other, theirs)
        first, second = one.load(name), other.load(theirs)
        return first.shape == second.shape and bool((first == second).all())

    def _digest(self, model: Checkpoint, name: str) -> bytes:
        key = id(model), name
        if key not in self._known:
            flat = model.load(name).contiguous().flatten().view(torch.uint8)
            self._known[key] = blake2b(flat.numpy().data, digest_size=16).digest()
        return self._known[key]


def _same(
    contents: _Contents,
    reference: Checkpoint,
    experts: Sequence[Checkpoint],
    first: str,
    name: str,
) -> bool:
    if not contents.equal(reference, first, reference, name):
        return False
    if any(first not in expert.tensors() for expert in experts):
        return False
    both = (expert for expert in experts if name in expert.tensors())
    if not all(contents.equal(expert, first, expert, name) for expert in both):
        return False
    return any(not contents.equal(expert, first, reference, first) for expert in experts)
