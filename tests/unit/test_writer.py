"""The streaming writer: what it writes is what was given, whole or not at all."""

import json
import os
import threading
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from written_folders import F32, fill, raw, read, slots_of, tree, writer_of

from merging.engine import shard_file
from merging.engine.shards import _TYPES, Slot
from merging.engine.writer import FolderWriter
from merging.errors import Cancelled, SourceError

BF16 = torch.bfloat16
SHAPES = st.lists(st.integers(0, 9), max_size=3).map(tuple)
MODEL = st.lists(st.tuples(st.sampled_from(list(_TYPES)), SHAPES), max_size=10)


def random_tensor(dtype: torch.dtype, shape: tuple[int, ...], random: Random) -> Tensor:
    """Any bit patterns, not-a-number among them; booleans are 0 or 1."""
    count = Slot("", dtype, shape).size
    data = bytearray(random.randbytes(count))
    if dtype == torch.bool:
        data = bytearray(b & 1 for b in data)
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype).reshape(shape)


@settings(max_examples=100)
@given(
    MODEL, st.integers(1, 300), st.integers(1, 40), st.integers(1, 3), st.integers(1, 500),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_what_is_written_is_what_was_given(
    model: list[tuple[torch.dtype, tuple[int, ...]]],
    shard_bytes: int, chunk: int, threads: int, queue_bytes: int, random: Random,
) -> None:  # fmt: skip
    tensors = {f"t{i}": random_tensor(*kind, random) for i, kind in enumerate(model)}
    chunks = [
        (name, start, tensor.flatten()[start : start + chunk])
        for name, tensor in tensors.items()
        for start in range(0, tensor.numel(), chunk)
    ]
    random.shuffle(chunks)
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "out"
        writer = FolderWriter(
            folder, slots_of(tensors), "key", {"recipe": "é"},
            shard_bytes=shard_bytes, queue_bytes=queue_bytes,
        )  # fmt: skip

        def work(number: int) -> None:
            for part in chunks[number::threads]:
                writer.write(*part)

        workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert (writer.done, folder.exists()) == (frozenset(), False)
        writer.finish({"config.json": "{}", "extra.bin": b"\0\xff"})
        assert os.listdir(parent) == ["out"]
        found = read(folder)
        assert {n: (t.dtype, t.shape, raw(t)) for n, t in found.items()} == {
            n: (t.dtype, t.shape, raw(t)) for n, t in tensors.items()
        }
        check_names(folder, tensors)


def check_names(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Files, metadata, index and alignment."""
    shards = sorted(p.name for p in folder.glob("*.safetensors"))
    others = {"config.json": b"{}", "extra.bin": b"\0\xff"}
    assert {n: (folder / n).read_bytes() for n in others} == others
    for name in shards:
        with safe_open(folder / name, "pt") as file:
            assert file.metadata() == {"format": "pt", "recipe": "é"}
        assert int.from_bytes((folder / name).read_bytes()[:8], "little") % 8 == 0
    if len(shards) == 1:
        assert tree(folder) == sorted([*others, "model.safetensors"])
        return
    count = len(shards)
    assert shards == [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]
    assert tree(folder) == sorted([*others, *shards, "model.safetensors.index.json"])
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": sum(len(raw(t)) for t in tensors.values())}
    where = {n: name for name in shards for n in load_file(folder / name)}
    assert index["weight_map"] == where


def test_transformers_loads_it(vit_family: Path, tmp_path: Path) -> None:
    from transformers import ViTModel

    tensors = load_file(vit_family / "one" / "model.safetensors")
    config = (vit_family / "one" / "config.json").read_text()
    with FolderWriter(tmp_path / "out", slots_of(tensors), "key", shard_bytes=2000) as writer:
        for name, tensor in tensors.items():
            writer.write(name, 0, tensor.flatten())
        writer.finish({"config.json": config})
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 2
    ours, theirs = (
        ViTModel.from_pretrained(folder, add_pooling_layer=False).state_dict()
        for folder in (tmp_path / "out", vit_family / "one")
    )
    assert len(theirs) == len(tensors)
    assert {n: raw(t) for n, t in ours.items()} == {n: raw(t) for n, t in theirs.items()}


def test_a_part_larger_than_one_step_and_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merging.engine.writer._PIECE", 1000)
    tensor = torch.arange(5_001, dtype=F32)
    with FolderWriter(tmp_path / "out", [Slot("w", F32, (5_001,))], "k", queue_bytes=10) as writer:
        writer.write("w", 1, tensor[1:])
        writer.write("w", 0, tensor[:1])
        writer.finish({})
    assert torch.equal(read(tmp_path / "out")["w"], tensor)


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, data[:7], offset))
    with writer_of(tmp_path / "out", (50,)) as writer:
        fill(writer, 50)
        writer.finish({})
    assert torch.equal(read(tmp_path / "out")["b"], torch.ones(50))


def test_without_pwrite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(shard_file.os, "pwrite")
    with writer_of(tmp_path / "out") as writer:
        writer.write("b", 0, torch.ones(4))
        writer.write("a", 2, torch.tensor([3.0, 4.0]))
        writer.write("a", 0, torch.tensor([1.0, 2.0]))
        writer.finish({})
    found = {n: t.tolist() for n, t in read(tmp_path / "out").items()}
    assert found == {"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 1.0, 1.0, 1.0]}


def test_memory_is_not_copied_and_odd_strides_are_read_right(tmp_path: Path) -> None:
    strided = torch.arange(6, dtype=F32)[1::2][1:2]
    assert (strided.stride(), strided.is_contiguous()) == ((2,), True)
    needing = torch.full((1,), 7.0, requires_grad=True)
    with FolderWriter(tmp_path / "out", [Slot("w", F32, (2,))], "k") as writer:
        writer.write("w", 0, strided)
        writer.write("w", 1, needing)
        writer.write("w", 2, torch.empty(0))
        writer.finish({})
    assert read(tmp_path / "out")["w"].tolist() == [3.0, 7.0]


def test_modes_whatever_the_umask(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        with writer_of(tmp_path / "out", shard_bytes=16) as writer:
            fill(writer)
            writer.finish({"config.json": "{}"})
    finally:
        os.umask(mask)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "out").iterdir()} == {0o644}
    assert len(tree(tmp_path / "out")) == 4


def test_an_empty_target_is_replaced_and_a_full_one_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with writer_of(tmp_path / "out") as writer:
        fill(writer)
        writer.finish({})
    before = tree(tmp_path)
    assert before == ["out", "out/model.safetensors"]
    with pytest.raises(SourceError, match=r"exists already\. Choose another --out\."):
        writer_of(tmp_path / "out")
    assert tree(tmp_path) == before


def test_a_second_writer_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with writer_of(tmp_path / "out") as first:
        first.write("a", 0, torch.ones(4))
        with pytest.raises(SourceError, match="Another merge"):
            writer_of(tmp_path / "out")
        first.write("b", 0, torch.ones(4))
        first.finish({})
    assert tree(tmp_path) == ["out", "out/model.safetensors"]


def test_abandoning_leaves_nothing_and_nothing_can_follow(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    before = tree(tmp_path)
    writer = writer_of(tmp_path / "deep" / "out", shard_bytes=16)
    writer.write("a", 0, torch.ones(4))
    writer.write("b", 0, torch.ones(1))
    writer.abandon()
    writer.abandon()
    assert tree(tmp_path) == before
    with pytest.raises(Cancelled, match="nothing was kept"):
        writer.write("b", 1, torch.ones(1))
    with pytest.raises(Cancelled, match="nothing was kept"):
        writer.finish({})
    with writer_of(tmp_path / "deep" / "out") as again:
        assert again.done == frozenset()


def test_leaving_by_an_exception_or_without_finish_abandons(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), writer_of(tmp_path / "out") as writer:
        fill(writer)
        raise KeyboardInterrupt
    assert tree(tmp_path) == []
    with writer_of(tmp_path / "out") as writer:
        fill(writer)
    assert tree(tmp_path) == []


def test_after_finish_abandoning_does_nothing_and_writing_is_an_error(tmp_path: Path) -> None:
    writer = writer_of(tmp_path / "out", (5,))
    fill(writer, 5)
    writer.finish({})
    writer.abandon()
    assert tree(tmp_path) == ["out", "out/model.safetensors"]
    with pytest.raises(ValueError, match="is finished"):
        writer.finish({})
    with pytest.raises(ValueError, match="came before"):
        writer.write("a", 0, torch.ones(1))


@pytest.mark.parametrize(
    ("name", "start", "values", "text"),
    [
        ("c", 0, torch.ones(1), "'c' is not a tensor of the output"),
        ("a", 0, torch.ones(1, dtype=BF16), r"'a' wants flat contiguous CPU .* torch\.float32"),
        ("a", 0, torch.ones(2, 1), "'a' wants flat"),
        ("a", 0, torch.ones(4)[::2], "'a' wants flat"),
        ("a", 0, torch.ones(1, device="meta"), "'a' wants flat"),
        ("a", 3, torch.ones(2), "'a' has no elements 3 to 5, but 4"),
        ("a", -1, torch.ones(2), "'a' has no elements -1 to 1, but 4"),
        ("b", 1, torch.ones(1), "elements 1 to 2 of 'b' came before"),
        ("b", 0, torch.ones(4), "elements 0 to 4 of 'b' came before"),
        ("b", 0, torch.ones(2), "elements 0 to 2 of 'b' came before"),
        ("b", 2, torch.ones(2), "elements 2 to 4 of 'b' came before"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(
    tmp_path: Path, name: str, start: int, values: Tensor, text: str
) -> None:
    with writer_of(tmp_path / "out") as writer:
        writer.write("b", 1, torch.ones(2))
        with pytest.raises(ValueError, match=text):
            writer.write(name, start, values)
        for first in (0, 3):
            writer.write("b", first, torch.ones(1))
        writer.write("a", 0, torch.ones(4))
        writer.finish({})
    assert read(tmp_path / "out")["b"].tolist() == [1.0] * 4


def test_missing_elements_are_named_and_may_still_come(tmp_path: Path) -> None:
    with writer_of(tmp_path / "out") as writer:
        writer.write("a", 0, torch.ones(4))
        writer.write("b", 0, torch.ones(3))
        with pytest.raises(ValueError, match=r"of 1 tensors are missing: \['b'\]"):
            writer.finish({})
        writer.write("b", 3, torch.ones(1))
        writer.finish({})
    assert read(tmp_path / "out")["b"].tolist() == [1.0] * 4


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "a/b/c", "a/", "/etc/passwd", "../x", "a\\b", "a\0b", "a\nb", "C:x",
        "x.partial",
        "model.safetensors", "MODEL.safetensors", "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
    ],
)  # fmt: skip
def test_further_files_have_plain_names(tmp_path: Path, name: str) -> None:
    with writer_of(tmp_path / "out", shard_bytes=16) as writer:
        fill(writer)
        with pytest.raises(SourceError, match="cannot be a file of the model: choose a plain"):
            writer.finish({name: "x"})
        writer.finish({"Chat template.jinja": "λ\r\n", ".gitattributes": ""})
    assert (tmp_path / "out" / "Chat template.jinja").read_bytes() == b"\xce\xbb\r\n"


def test_two_files_that_are_one_on_some_disks(tmp_path: Path) -> None:
    with writer_of(tmp_path / "out") as writer:
        fill(writer)
        with pytest.raises(SourceError, match=r"'README\.md' cannot be"):
            writer.finish({"readme.md": "x", "README.md": "y"})


def test_a_target_taken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    with writer_of(tmp_path / "out") as writer:
        fill(writer)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").touch()
        with pytest.raises(SourceError, match="exists already"):
            writer.finish({})
    assert tree(tmp_path) == ["out", "out/thesis.txt"]
