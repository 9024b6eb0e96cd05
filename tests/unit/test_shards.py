"""Where tensors lie in the written files."""

import json
from itertools import pairwise

import pytest
import safetensors
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import _TYPES as THEIRS
from safetensors.torch import load

from merging.engine.shards import _TYPES, Shard, Slot, fingerprint, index_text, lay_out
from merging.errors import CompatibilityError, ParameterError

BF16, F32, F64, I64, U8 = (
    torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.uint8,
)  # fmt: skip
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@st.composite
def slots(draw: st.DrawFn) -> list[Slot]:
    """Tensors of all types; some scalar, some without elements."""
    kinds = draw(st.lists(st.tuples(st.sampled_from(list(_TYPES)), SHAPES), max_size=12))
    return [Slot(f"t{i}.é\"'\\", dtype, shape) for i, (dtype, shape) in enumerate(kinds)]


def names(shard: Shard) -> list[str]:
    return [slot.name for slot in shard.slots]


def test_one_file_when_it_suffices() -> None:
    (shard,) = lay_out([Slot("a", F32, (2,)), Slot("b", F32, (2,))], 16, {})
    assert (shard.name, names(shard)) == ("model.safetensors", ["a", "b"])
    assert shard.size == len(shard.header) + 16


def test_files_are_filled_in_order_and_named_as_huggingface_does() -> None:
    sizes = {"a": 2, "b": 2, "c": 1, "big": 9, "d": 1}
    shards = lay_out([Slot(n, F32, (k,)) for n, k in sizes.items()], 16, {})
    assert {s.name: names(s) for s in shards} == {
        "model-00001-of-00004.safetensors": ["a", "b"],
        "model-00002-of-00004.safetensors": ["c"],
        "model-00003-of-00004.safetensors": ["big"],
        "model-00004-of-00004.safetensors": ["d"],
    }


def test_the_index_tells_size_and_places() -> None:
    shards = lay_out([Slot("b", F32, (2,)), Slot("a", BF16, ()), Slot("c", I64, (0,))], 8, {})
    assert json.loads(index_text(shards)) == {
        "metadata": {"total_size": 10},
        "weight_map": {
            "a": "model-00002-of-00002.safetensors",
            "b": "model-00001-of-00002.safetensors",
            "c": "model-00002-of-00002.safetensors",
        },
    }


def test_wide_types_first_then_as_given() -> None:
    given_order = [
        Slot("byte", U8, (3,)), Slot("two", BF16, (3,)), Slot("four", F32, (1,)),
        Slot("eight", F64, (1,)), Slot("also", I64, (1,)), Slot("two'", BF16, (1,)),
    ]  # fmt: skip
    (shard,) = lay_out(given_order, 1000, {})
    assert names(shard) == ["eight", "also", "four", "two", "two'", "byte"]
    offsets = [start - len(shard.header) for start in shard.starts]
    assert offsets == [0, 8, 16, 20, 26, 28]


def test_the_header_by_hand() -> None:
    (shard,) = lay_out([Slot("w", BF16, (2, 3))], 1000, {"k": "v"})
    text = (
        '{"__metadata__":{"format":"pt","k":"v"},'
        '"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}'
    )
    padded = text + " " * (-len(text) % 8)
    assert shard.header == len(padded).to_bytes(8, "little") + padded.encode()


@given(slots(), st.integers(1, 200))
def test_any_layout_is_a_valid_file_and_aligned(given_slots: list[Slot], limit: int) -> None:
    shards = lay_out(given_slots, limit, {"recipe": "ü"})
    found: dict[str, torch.Tensor] = {}
    for shard in shards:
        assert len(shard.header) % 8 == 0
        for slot, start in zip(shard.slots, shard.starts, strict=True):
            assert start % slot.dtype.itemsize == 0
        ends = [*shard.starts, shard.size]
        assert [b - a for a, b in pairwise(ends)] == [slot.size for slot in shard.slots]
        found |= load(shard.header + bytes(shard.size - len(shard.header)))
    assert {n: (t.dtype, tuple(t.shape)) for n, t in found.items()} == {
        s.name: (s.dtype, s.shape) for s in given_slots
    }
    assert not any(t.any() for t in found.values() if t.dtype.itemsize > 1)


@given(slots(), st.integers(1, 200))
def test_no_file_holds_more_than_asked_nor_could_take_the_next(
    given_slots: list[Slot], limit: int
) -> None:
    shards = lay_out(given_slots, limit, {})
    position = {slot.name: i for i, slot in enumerate(given_slots)}
    groups = [sorted(shard.slots, key=lambda s: position[s.name]) for shard in shards]
    assert [s for group in groups for s in group] == given_slots
    for group in groups:
        assert sum(s.size for s in group) <= limit or len([s for s in group if s.size]) == 1
    for group, following in pairwise(groups):
        assert sum(s.size for s in group) + following[0].size > limit


def test_layout_is_pure_and_the_fingerprint_sees_everything() -> None:
    model = [Slot("a", F32, (2,)), Slot("b", F32, (2,))]
    told = {"recipe": "x"}
    first = lay_out(model, 8, told)
    assert lay_out(tuple(model), 8, told) == first
    assert (model, told) == ([Slot("a", F32, (2,)), Slot("b", F32, (2,))], {"recipe": "x"})
    others = [
        lay_out(model, 16, told),
        lay_out(model, 8, {"recipe": "y"}),
        lay_out(model[::-1], 8, told),
        lay_out([model[0], Slot("b", torch.int32, (2,))], 8, told),
        lay_out([model[0], Slot("b", F32, (2, 1))], 8, told),
        lay_out([model[0], Slot("c", F32, (2,))], 8, told),
        first[:1],
    ]
    assert fingerprint(first) == fingerprint(lay_out(model, 8, told))
    assert len({fingerprint(first), *map(fingerprint, others)}) == 8


def test_the_types_are_named_as_safetensors_names_them() -> None:
    assert {name: dtype for dtype, name in _TYPES.items()}.items() <= THEIRS.items()


def test_no_tensor_at_all() -> None:
    (shard,) = lay_out([], 10, {})
    assert load(shard.header) == {}


def test_what_cannot_be_stored_is_named() -> None:
    with pytest.raises(CompatibilityError, match=r"'w' has type torch\.complex128, .*Choose"):
        lay_out([Slot("w", torch.complex128, (1,))], 10, {})
    with pytest.raises(CompatibilityError, match=r"'w' occurs twice\. Rename"):
        lay_out([Slot("w", F32, ()), Slot("w", F32, ())], 10, {})
    with pytest.raises(CompatibilityError, match=r"'__metadata__' is reserved\. Rename"):
        lay_out([Slot("__metadata__", F32, ())], 10, {})
    with pytest.raises(ParameterError, match="at least 1 byte, not 0"):
        lay_out([Slot("w", F32, ())], 0, {})


def test_a_hole_would_be_noticed_by_the_reader() -> None:
    """What the tests above rely on: safetensors refuses files that are not exactly filled."""
    (shard,) = lay_out([Slot("w", F32, (1,))], 10, {})
    with pytest.raises(safetensors.SafetensorError):
        load(shard.header + bytes(5))
