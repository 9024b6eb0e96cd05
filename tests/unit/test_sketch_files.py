"""Files of sketches: what is read back, and those that lie or are none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import State, checkpoints
from large_sketch import ARRAYS, BASE, EXPERTS, LARGE, same, sketch_of
from safetensors.torch import load_file, save_file
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.errors import ResourceError, SourceError
from merging.sketch import load_sketch, save_sketch, weights_identity


def test_round_trip(tmp_path: Path) -> None:
    save_sketch(LARGE, tmp_path / "sketch.safetensors")
    found = load_sketch(tmp_path / "sketch.safetensors")
    assert same(found, LARGE)
    assert [getattr(found, n).dtype for n in ARRAYS] == [getattr(LARGE, n).dtype for n in ARRAYS]
    assert [p.name for p in tmp_path.iterdir()] == ["sketch.safetensors"]


def test_identity_tells_weights_apart() -> None:
    other = {**EXPERTS, "c": {n: t + 1e-3 for n, t in EXPERTS["c"].items()}}
    assert sketch_of(other, BASE).identity != LARGE.identity
    assert sketch_of(EXPERTS, BASE).identity == LARGE.identity


def test_samples_can_be_taken_from_the_weights(tmp_path: Path) -> None:
    base, experts = MemoryCheckpoint("base", BASE), checkpoints(EXPERTS)
    path = tmp_path / "sketch.safetensors"
    save_sketch(LARGE, path, weights_identity(base, experts))
    assert set(load_file(path)) == {"nonzero", "l1", "dots", "levels", "model_levels", "drawn"}
    assert same(load_sketch(path, base, experts), LARGE)
    with pytest.raises(SourceError, match="holds no samples"):
        load_sketch(path)
    with pytest.raises(SourceError, match="other weights"):
        load_sketch(path, base, {**experts, "c": experts["a"]})


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"sketch\.safetensors could not be written"):
        save_sketch(LARGE, tmp_path / "none" / "sketch.safetensors")


Spoil = Callable[[dict[str, Any], State], None]


def _set(where: str, value: Any) -> Spoil:
    def spoil(facts: dict[str, Any], arrays: State) -> None:
        facts[where] = value

    return spoil


def _array(name: str, change: Callable[[Tensor], Tensor]) -> Spoil:
    def spoil(facts: dict[str, Any], arrays: State) -> None:
        arrays[name] = change(arrays[name])

    return spoil


def _drop(name: str) -> Spoil:
    def spoil(facts: dict[str, Any], arrays: State) -> None:
        arrays.pop(name)

    return spoil


def _put(value: float, *at: int) -> Callable[[Tensor], Tensor]:
    def put(array: Tensor) -> Tensor:
        array = array.clone()
        array[at] = value
        return array

    return put


def _part(place: int, value: Any) -> Spoil:
    def spoil(facts: dict[str, Any], arrays: State) -> None:
        facts["parts"][0][place] = value

    return spoil


HOSTILE: dict[str, Spoil] = {
    "version": _set("format", "merge-explorer-sketch/1"),
    "seed": _set("seed", "x"),
    "quick": _set("quick", 1),
    "no experts": _set("experts", []),
    "twice": _set("experts", ["a", "a", "b"]),
    "not in order": _set("experts", ["b", "a", "c"]),
    "too many": _set("experts", [f"{i:03}" for i in range(65)]),
    "no parts": _set("parts", []),
    "parts": _set("parts", {"a": 1}),
    "nested": _set("parts", [[[]]]),
    "huge": _part(1, [1 << 40, 1 << 40]),
    "negative": _part(1, [-1]),
    "true": _part(1, [True]),
    "more than there is": _part(2, 10**9),
    "same tensor": _part(0, "layers.0.norm.weight"),
    "no array": _drop("dots"),
    "no drawn": _drop("drawn"),
    "drawn beyond": _array("drawn", _put(1e9, -1)),
    "drawn before": _array("drawn", _put(-1, 0)),
    "drawn twice": _array("drawn", lambda t: t.clone().index_fill_(0, torch.arange(2), 5)),
    "drawn type": _array("drawn", lambda t: t.int()),
    "type": _array("deltas", lambda t: t.double()),
    "shape": _array("base", lambda t: t[:-1].clone()),
    "not a number": _array("deltas", _put(float("nan"), 0, 0)),
    "infinite": _array("base", _put(float("inf"), 0)),
    "below zero": _array("l1", _put(-1, 0, 0)),
    "rising": _array("levels", _put(1e9, 0, 0, 0, 5)),
    "share": _array("model_levels", _put(2.0, 0, 1, -1)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_files_that_lie_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "sketch.safetensors"
    save_sketch(LARGE, path)
    arrays = load_file(path)
    facts = {
        "format": "merge-explorer-sketch/2", "identity": "x", "seed": 0, "quick": False,
        "experts": ["a", "b", "c"], "weights": None,
        "parts": [[p.tensor, list(p.shape), p.sampled] for p in LARGE.parts],
    }  # fmt: skip
    HOSTILE[kind](facts, arrays)
    save_file(arrays, path, {"sketch": json.dumps(facts)})
    with pytest.raises(SourceError, match=r"sketch\.safetensors"):
        load_sketch(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '"x"'])
def test_descriptions_that_are_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "sketch.safetensors"
    save_file({"w": torch.zeros(1)}, path, {"sketch": text})
    with pytest.raises(SourceError, match=r"sketch\.safetensors"):
        load_sketch(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "sketch.safetensors"
    path.write_bytes(b"garbage")
    with pytest.raises(SourceError, match=r"Cannot read the sketch sketch\.safetensors"):
        load_sketch(path)
    with pytest.raises(SourceError, match=r"Cannot read the sketch none\.safetensors"):
        load_sketch(tmp_path / "none.safetensors")
