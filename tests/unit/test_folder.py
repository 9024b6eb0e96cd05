"""Model folders: whole, sharded, damaged and hostile."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import row
from safetensors.torch import save_file

from merging.checkpoints import MemoryCheckpoint, TensorInfo, open_folder
from merging.errors import SourceError

STATE = {"v": row(1, 2), "w": torch.arange(6).reshape(2, 3).to(torch.bfloat16)}
INDEX = "model.safetensors.index.json"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    save_file(STATE, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    return tmp_path


def shards(folder: Path, **files: dict[str, torch.Tensor]) -> Path:
    weight_map = {}
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors")
        weight_map |= dict.fromkeys(tensors, f"{name}.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    return folder


def refusal(folder: Path | str) -> str:
    with pytest.raises(SourceError) as caught:
        open_folder(folder, "mine")
    return str(caught.value)


def test_shapes_and_types_are_known_before_weights_are_read(whole: Path) -> None:
    opened = open_folder(whole)
    assert opened.name == whole.name
    assert opened.tensors() == {
        "v": TensorInfo((2,), torch.float32),
        "w": TensorInfo((2, 3), torch.bfloat16),
    }
    assert torch.equal(opened.load("w"), STATE["w"])
    assert opened.config() == {"model_type": "vit"}


def test_shards_are_one_model(tmp_path: Path) -> None:
    opened = open_folder(shards(tmp_path, one={"v": STATE["v"]}, two={"w": STATE["w"]}))
    assert set(opened.tensors()) == {"v", "w"}
    assert all(torch.equal(opened.load(n), t) for n, t in STATE.items())


def test_the_identity_is_that_of_the_weights(whole: Path, tmp_path: Path) -> None:
    first = open_folder(whole).identity()
    assert len(first) == 16
    (whole / "config.json").write_text("{}")
    assert open_folder(whole).identity() == first
    save_file(STATE | {"v": row(1, 3)}, whole / "model.safetensors")
    assert open_folder(whole).identity() != first


def test_a_tensor_that_is_not_there(whole: Path) -> None:
    with pytest.raises(SourceError, match="Model mine has no tensor 'u'"):
        open_folder(whole, "mine").load("u")


def test_a_file_that_vanishes_between_opening_and_reading(whole: Path) -> None:
    opened = open_folder(whole, "mine")
    (whole / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"cannot read 'model\.safetensors': No such"):
        opened.load("v")


@pytest.mark.parametrize("asked_first", [True, False])
def test_runs_of_an_open_model(whole: Path, asked_first: bool) -> None:
    """Of a folder and of a model in memory, also from several tensors in turn."""
    for model in (open_folder(whole, "mine"), MemoryCheckpoint("mine", STATE)):
        with model.opened() as opened:
            if asked_first:
                opened.expect("w", 1, 5)
            first = opened.run("w", 1, 5)
            assert first.dtype == torch.bfloat16 and first.tolist() == [1, 2, 3, 4]
            assert opened.run("v", 1, 2).tolist() == [2]
            assert opened.run("w", 0, 6).tolist() == [0, 1, 2, 3, 4, 5]
            assert opened.run("w", 6, 6).tolist() == []
            into = torch.full((2, 2), -1, dtype=torch.bfloat16)
            opened.read("w", 2, into)
            assert into.tolist() == [[2, 3], [4, 5]]
            with pytest.raises(SourceError, match="Model mine has no tensor 'u'"):
                opened.run("u", 0, 1)


def test_threads_read_one_open_model_each_into_memory_of_its_own(tmp_path: Path) -> None:
    numbers = torch.arange(50_000, dtype=torch.float32)
    save_file({"n": numbers}, tmp_path / "model.safetensors")
    with open_folder(tmp_path).opened() as opened, ThreadPoolExecutor(4) as pool:

        def firsts(start: int) -> list[float]:
            """What the run begins with, if every number in it is one more than the last."""
            return (opened.run("n", start, start + 999) - torch.arange(999.0)).unique().tolist()

        found = list(pool.map(firsts, range(0, 40_000, 17)))
    assert found == [[start] for start in range(0, 40_000, 17)]


def test_a_system_that_cannot_be_told_or_asked(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda f, at, size, how: told.append((at, size)))
    with open_folder(whole).opened() as opened:
        opened.expect("w", 2, 6)
        monkeypatch.delattr(os, "posix_fadvise")
        opened.expect("w", 2, 6)
        assert opened.run("w", 2, 6).tolist() == [2, 3, 4, 5]
    place = open_folder(whole).places["w"]
    assert told == [(place.offset + 2 * 2, 4 * 2)]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no folder" in refusal(tmp_path / "none")
    (tmp_path / "file").write_text("")
    assert "there is no folder" in refusal(tmp_path / "file")
    assert "there is no folder" in refusal(tmp_path / ("x" * 400))


def test_an_empty_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("Model mine: no model.safetensors in")


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "pytest_marker.bin").write_bytes(b"x")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    message = refusal(tmp_path)
    assert "It holds pytest_marker.bin, pytorch_model.bin: convert it to safetensors" in message


OUTSIDE = b'{"w":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'
GARBAGE = {
    "empty": b"",
    "words": b"not a model at all",
    "long header": (2**60).to_bytes(8, "little") + b"{}",
    "no json": (4).to_bytes(8, "little") + b"{{{{",
    "outside": len(OUTSIDE).to_bytes(8, "little") + OUTSIDE,
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_refused_with_the_files_name(kind: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(GARBAGE[kind])
    assert refusal(tmp_path).startswith("Model mine: cannot read model.safetensors: ")


def test_types_we_cannot_merge_are_named(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(2, dtype=torch.uint16)}, tmp_path / "model.safetensors")
    assert "'w' has type U16, which is not supported" in refusal(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ".", "", "gone"),
        *("a" * 300, "a\x00b", "..\\secret.safetensors"),
    ],
)
def test_an_index_cannot_point_elsewhere(name: str, tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "secret.safetensors")
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    save_file(STATE, folder / "sub" / "one.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"w": name}}))
    outside = name in ("../secret.safetensors", "/etc/passwd", "sub/one.safetensors", ".")
    assert ("which is a path" if outside else "which is not there") in refusal(folder)


@pytest.mark.parametrize("index", ["{}", '{"weight_map": {}}', '{"weight_map": ["one"]}'])
def test_an_index_without_a_map(index: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(index)
    assert "has no weight_map" in refusal(tmp_path)


def test_an_index_with_a_tensor_that_is_not_there(tmp_path: Path) -> None:
    folder = shards(tmp_path, one={"w": row(1)}, two={"v": row(2)})
    for name, shard in (("x", "one.safetensors"), ("w", "two.safetensors")):
        index = {"w": "one.safetensors", "v": "two.safetensors", name: shard}
        (folder / INDEX).write_text(json.dumps({"weight_map": index}))
        assert f"says that {name!r} is in {shard!r}, where it is not" in refusal(folder)


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff", b"[" * 100_000, b""])
def test_json_that_is_none(text: bytes, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_bytes(text)
    assert INDEX in refusal(tmp_path)
    save_file(STATE, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes(text)
    with pytest.raises(SourceError, match=r"config\.json"):
        open_folder(tmp_path).config()


def test_a_tensor_in_two_files(tmp_path: Path) -> None:
    folder = shards(tmp_path, one={"w": row(1)}, two={"w": row(2), "v": row(3)})
    (folder / INDEX).write_text(
        json.dumps({"weight_map": {"w": "one.safetensors", "v": "two.safetensors"}})
    )
    assert "'w' stands in two files" in refusal(folder)


def test_no_config(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "model.safetensors")
    with pytest.raises(SourceError, match=r"cannot read config\.json"):
        open_folder(tmp_path).config()


# --- In memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"v": row(1, 3), "w": STATE["w"]},
        {"v": STATE["v"], "x": STATE["w"]},
        {"v": STATE["v"], "w": STATE["w"].reshape(3, 2)},
        {"v": STATE["v"], "w": STATE["w"].to(torch.float32)},
        {"v": STATE["v"]},
    ],
)
def test_identity_in_memory_covers_names_shapes_types_and_values(other: Any) -> None:
    mine = MemoryCheckpoint("m", STATE).identity()
    assert MemoryCheckpoint("n", dict(reversed(STATE.items()))).identity() == mine
    assert MemoryCheckpoint("m", other).identity() != mine


def test_a_tensor_that_is_not_in_memory() -> None:
    with pytest.raises(SourceError, match="Model m has no tensor 'u'"):
        MemoryCheckpoint("m", STATE).load("u")
