"""Which axes of a model's tensors can be reordered together without changing what it computes.

Everything here is names and shapes; what is known of architectures stands in ``architectures``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from merging.errors import CompatibilityError
from merging.methods.architectures import ARCHITECTURES, BLOCKS, Architecture

Kind = Literal["stream", "heads", "hidden"]
Axis = tuple[str, int]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Strand:
    """Axes (tensor, axis) that always have the same order.

    ``free`` says whether places inside a block may be reordered too, not only whole blocks.
    """

    axes: tuple[Axis, ...]
    free: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """Units that move together.

    Attributes:
        kind: The residual stream, attention heads, or hidden units between two layers.
        strands: Each is cut into ``blocks`` equal blocks, and the blocks move alike in all.
        blocks: Number of units: for heads the heads, else the length of the axes.
    """

    kind: Kind
    strands: tuple[Strand, ...]
    blocks: int


@dataclass(frozen=True, slots=True)
class Symmetries:
    """What may be reordered in one model.

    Attributes:
        architecture: In words, for the report.
        groups: Disjoint groups of axes.
        missing: What was not found, and why; "" when nothing is missing.
        width: Key of the config that tells the number of hidden units, or "".
    """

    architecture: str
    groups: tuple[Group, ...]
    missing: str = ""
    width: str = ""


def find_symmetries(shapes: Shapes, config: Mapping[str, object]) -> Symmetries:
    """Return what may be reordered in a model.

    A declared architecture counts only when it knows every tensor: one unknown reader of the
    residual stream would make a reordered model wrong. Else a plain stack of linear layers is
    looked for, else the feed-forward blocks by their usual names.

    Args:
        shapes: Shape of every tensor that is merged.
        config: The model's ``config.json``; the number of heads is read from it.

    Raises:
        CompatibilityError: Axes that belong together differ in length, the number of heads does
            not fit, or nothing is found.

    Source:
        Ainsworth et al. 2022, arXiv:2209.04836, section 3; the letters are ours.
    """
    for architecture in ARCHITECTURES:
        found = _lettered(architecture, shapes)
        if found is not None:
            return _of_transformer(architecture, found, shapes, config)
    stack = linear_stack(shapes)
    if stack:
        return Symmetries("plain stack of linear layers", stack)
    partial = _hidden(_some_letters(BLOCKS, shapes), shapes)
    if not partial:
        raise CompatibilityError(
            "No architecture that can be aligned was recognised. Say in groups which axes belong "
            "together, for example 0.weight:0 0.bias:0 2.weight:1"
        )
    missing = "residual stream and heads stay: the architecture is not one that is declared"
    return Symmetries(BLOCKS.label, partial, missing, "intermediate_size")


def plain_group(axes: tuple[Axis, ...], shapes: Shapes, kind: Kind = "hidden") -> Group:
    """Return a group whose units are single places.

    Raises:
        CompatibilityError: The axes differ in length.
    """
    lengths = {shapes[name][axis] for name, axis in axes}
    if len(lengths) > 1:
        raise CompatibilityError(
            f"The axes of group {axes[0][0]!r} have lengths {sorted(lengths)}. "
            "Only axes over the same units belong together."
        )
    return Group(kind, (Strand(axes),), lengths.pop())


def linear_stack(shapes: Shapes) -> tuple[Group, ...]:
    """Return the hidden units of a plain stack of linear layers, or nothing.

    The names must be one name with a running number, ending in ``weight`` and ``bias``; each layer
    reads what the one before writes, and there are no shortcuts (names and shapes do not tell).
    """
    layers = sorted({n.rpartition(".")[0] for n in shapes}, key=_numbers)
    if len({re.sub(r"\d+", "#", layer) for layer in layers}) != 1:
        return ()
    for layer in layers:
        weight, bias = shapes.get(f"{layer}.weight", ()), shapes.get(f"{layer}.bias")
        if len(weight) != 2 or bias not in (None, weight[:1]):
            return ()
    if len(shapes) != sum(f"{a}.{end}" in shapes for a in layers for end in ("weight", "bias")):
        return ()
    pairs = list(pairwise(layers))
    if any(shapes[f"{a}.weight"][0] != shapes[f"{b}.weight"][1] for a, b in pairs):
        return ()
    return tuple(plain_group(_between(a, b, shapes), shapes) for a, b in pairs)


def _between(one: str, two: str, shapes: Shapes) -> tuple[Axis, ...]:
    written = [(n, 0) for n in (f"{one}.weight", f"{one}.bias") if n in shapes]
    return (*written, (f"{two}.weight", 1))


def _numbers(layer: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", layer))


_Letters = dict[tuple[str, str], list[Axis]]  # (where, letter) -> axes


def _lettered(architecture: Architecture, shapes: Shapes) -> _Letters | None:
    """Axes by block and letter, or None where a tensor is not one of the architecture."""
    found = _some_letters(architecture, shapes)
    known = {name for axes in found.values() for name, _ in axes}
    return found if known == set(shapes) and ("", "S") in found else None


def _some_letters(architecture: Architecture, shapes: Shapes) -> _Letters:
    """Axes by block and letter, of the tensors that a rule knows."""
    found: _Letters = {}
    pooled = any("pooler." in name for name in shapes)
    for name, shape in shapes.items():
        where, letters = _rule(architecture, name)
        if len(letters) != len(shape):
            continue
        for axis, letter in enumerate(letters.replace("P", "." if pooled else "S")):
            key = ("" if letter in "S." else where, letter)
            found.setdefault(key, []).append((name, axis))
    return found


def _rule(architecture: Architecture, name: str) -> tuple[str, str]:
    for pattern, letters in architecture.rules:
        match = re.fullmatch(rf"(?:(.*)\.)?{pattern}", name)
        if match:
            return match[1] or "", letters
    return "", ""


def _of_transformer(
    architecture: Architecture, found: _Letters, shapes: Shapes, config: Mapping[str, object]
) -> Symmetries:
    stream = plain_group(tuple(found["", "S"]), shapes, "stream")
    hidden = _hidden(found, shapes)
    places = [where for where, letter in found if letter == "Q"]
    count = config.get("num_key_value_heads") or config.get("num_attention_heads")
    heads: tuple[Group, ...] = ()
    missing = "heads stay: the config does not say how many there are"
    if isinstance(count, int) and not isinstance(count, bool) and count > 0:
        heads = tuple(_heads(w, found, shapes, count, architecture.rotary) for w in places)
        missing = ""
    return Symmetries(architecture.label, (stream, *heads, *hidden), missing, "intermediate_size")


def _hidden(found: _Letters, shapes: Shapes) -> tuple[Group, ...]:
    """Hidden units that something writes and something reads."""
    whole = [
        tuple(axes)
        for (_, letter), axes in found.items()
        if letter == "H" and {0, 1} <= {axis for _, axis in axes}
    ]
    return tuple(plain_group(axes, shapes) for axes in whole)


def _heads(where: str, found: _Letters, shapes: Shapes, count: int, rotary: bool) -> Group:
    """Heads of one layer; with shared keys, keys with all the queries that use them."""
    axes = {letter: tuple(found.get((where, letter), ())) for letter in "QKVO"}
    lengths = {k: {shapes[n][i] for n, i in v} for k, v in axes.items()}
    if any(len(v) != 1 or next(iter(v)) % count for v in lengths.values()):
        raise CompatibilityError(
            f"The config says {count} attention heads, which does not fit the tensors of {where!r}."
        )
    strands = tuple(Strand(axes[letter], free=False) for letter in "QKVO")
    if lengths["Q"] == lengths["K"] and lengths["V"] == lengths["O"]:
        queries, values = axes["Q"] + axes["K"], axes["V"] + axes["O"]
        strands = (Strand(queries, free=not rotary), Strand(values))
    return Group("heads", strands, count)
