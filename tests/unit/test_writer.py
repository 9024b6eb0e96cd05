"""The streaming writer: what it writes is what was given, whole or not at all."""

import errno
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
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

from merging.engine import journal, shard_file
from merging.engine.shards import _TYPES, Slot
from merging.engine.writer import FolderWriter
from merging.errors import Cancelled, MergeError, ResourceError, SourceError

F32, BF16 = torch.float32, torch.bfloat16
LONG = 30  # seconds that are never reached unless something hangs
SHAPES = st.lists(st.integers(0, 9), max_size=3).map(tuple)
MODEL = st.lists(st.tuples(st.sampled_from(list(_TYPES)), SHAPES), max_size=10)


def slots_of(tensors: dict[str, Tensor]) -> list[Slot]:
    return [Slot(n, t.dtype, tuple(t.shape)) for n, t in tensors.items()]


def random_tensor(dtype: torch.dtype, shape: tuple[int, ...], random: Random) -> Tensor:
    """Any bit patterns, not-a-number among them; booleans are 0 or 1."""
    count = Slot("", dtype, shape).size
    data = bytearray(random.randbytes(count))
    if dtype == torch.bool:
        data = bytearray(b & 1 for b in data)
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype).reshape(shape)


def raw(tensor: Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def read(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for path in folder.glob("*.safetensors"):
        found |= load_file(path)
    return found


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def writer_of(folder: Path, shape: tuple[int, ...] = (4,), **more: int) -> FolderWriter:
    """A writer of two float32 tensors ``a`` and ``b``."""
    return FolderWriter(folder, [Slot("a", F32, shape), Slot("b", F32, shape)], "key", **more)


def fill(writer: FolderWriter, count: int = 4) -> None:
    for name in ("a", "b"):
        writer.write(name, 0, torch.ones(count))


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
        "", ".", "..", "a/b", "/etc/passwd", "../x", "a\\b", "a\0b", "a\nb", "C:x", "x.partial",
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


def failing(monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException) -> None:
    """``os.pwrite`` raises the error from its ``at``-th call on, counted from 0."""
    real, calls = os.pwrite, iter(range(10**9))

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        if next(calls) >= at:
            raise error
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, r"disk is full: writing to '.*out' stopped.*Free some space or choose anot"),
        (errno.EIO, r"Writing to '.*out' failed: Input/output error\. Nothing was left.*Check"),
    ],
)
def test_a_full_or_broken_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, number: int, text: str
) -> None:
    failing(monkeypatch, at, OSError(number, os.strerror(number)))
    writer = writer_of(tmp_path / "deep" / "out", shard_bytes=16)
    try:
        fill(writer)
    except ResourceError as error:
        assert "out" in str(error)
    for _ in range(2):
        with pytest.raises(ResourceError, match=text):
            writer.finish({})
    assert tree(tmp_path) == []
    with pytest.raises(ResourceError, match=text):
        writer_write_rest(writer)
    writer.abandon()
    assert tree(tmp_path) == []


def writer_write_rest(writer: FolderWriter) -> None:
    """Write what may not have come: the writer is broken, so the first new part fails."""
    for tensor in writer._tensors.values():
        tensor._runs.clear()
    fill(writer)


@pytest.mark.parametrize("wanted", ["journal.json", "config.json", "model", "index"])
def test_a_disk_that_fills_up_late_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        names = {"journal.json": "journal.json.partial", "config.json": "config.json.partial"}
        names["index"] = "model.safetensors.index.json.partial"
        if self.name == names.get(wanted, wanted):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with (
        pytest.raises(ResourceError, match="disk is full"),
        writer_of(tmp_path / "out", shard_bytes=16) as writer,
    ):
        fill(writer)
        writer.finish({"config.json": "{}"})
    assert tree(tmp_path) == []


def test_waiting_threads_are_told_of_the_writers_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is full while the writer thread dies."""
    begun, go = threading.Event(), threading.Event()
    real = os.pwrite

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        if offset:
            begun.set()
            assert go.wait(LONG)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    writer = writer_of(tmp_path / "out", (3,), queue_bytes=4)
    told: list[MergeError] = []

    def work(name: str, start: int) -> None:
        try:
            writer.write(name, start, torch.ones(1))
        except MergeError as error:
            told.append(error)

    writer.write("a", 0, torch.ones(1))
    assert begun.wait(LONG)
    places = [("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]
    threads = [threading.Thread(target=work, args=place, daemon=True) for place in places]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in threads)
    assert [type(error) for error in told] == [ResourceError] * 5
    assert len(set(map(id, told))) == 5
    with pytest.raises(ResourceError, match="disk is full"):
        writer.finish({})
    assert tree(tmp_path) == []


def test_an_error_that_is_not_the_disks_is_shown_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, 1, KeyError("a mistake of ours"))
    writer = writer_of(tmp_path / "out", queue_bytes=1)
    with pytest.raises(KeyError, match="a mistake of ours"):
        fill(writer)
        writer.finish({})
    assert tree(tmp_path) == []


def test_too_little_room_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3_900_000))
    with pytest.raises(
        ResourceError, match=r"too full: '.*out' needs 8\.0 MB and 3\.9 MB are free\. Free some"
    ):
        writer_of(tmp_path / "out", (1_000_000,))
    assert tree(tmp_path) == []


def interrupted(folder: Path, names: list[str]) -> None:
    """Leave a working folder in which these of four shards are finished."""
    writer = FolderWriter(folder, FOUR, "key", shard_bytes=16)
    for name in names:
        writer.write(name, 0, torch.ones(4))
    writer._gone = True  # so that what is written stays
    writer._disk.join()
    writer._claim.release()


FOUR = [Slot(name, F32, (4,)) for name in "abcd"]


def test_resuming_takes_over_and_drops_what_is_given_again(tmp_path: Path) -> None:
    interrupted(tmp_path / "out", ["a", "c"])
    with FolderWriter(tmp_path / "out", FOUR, "key", shard_bytes=16) as writer:
        assert writer.done == {"a", "c"}
        for name in "abcd":
            writer.write(name, 0, torch.full((4,), 1.0 if name in "bd" else 9.0))
        writer.finish({})
    assert {n: t.tolist() for n, t in read(tmp_path / "out").items()} == dict.fromkeys(
        "abcd", [1.0] * 4
    )


@pytest.mark.parametrize(
    ("slots", "key", "shard_bytes", "metadata"),
    [
        (FOUR, "other", 16, {}),
        (FOUR, "key", 32, {}),
        (FOUR, "key", 16, {"x": "y"}),
        (FOUR[::-1], "key", 16, {}),
    ],
)
def test_another_key_or_layout_begins_anew(
    tmp_path: Path, slots: list[Slot], key: str, shard_bytes: int, metadata: dict[str, str]
) -> None:
    interrupted(tmp_path / "out", ["a", "c"])
    assert len(tree(tmp_path / ".out.merging" / "model")) == 2
    out = tmp_path / "out"
    with FolderWriter(out, slots, key, metadata, shard_bytes=shard_bytes) as writer:
        assert writer.done == frozenset()
        assert tree(tmp_path / ".out.merging") == ["journal.json", "lock", "model"]
    assert tree(tmp_path) == []


def test_too_little_room_for_the_rest_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(tmp_path / "out", ["a"])
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=30))
        with pytest.raises(ResourceError, match="too full"):
            FolderWriter(tmp_path / "out", FOUR, "key", shard_bytes=16)
    with FolderWriter(tmp_path / "out", FOUR, "key", shard_bytes=16) as writer:
        assert writer.done == {"a"}


def test_a_finished_shard_is_not_written_to_the_journal_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], list[str]]] = []
    real = journal.write_file

    def watch(partial: Path, path: Path, data: bytes) -> None:
        if path.name == "journal.json":
            names = sorted(json.loads(data)["shards"])
            seen.append((names, tree(path.parent / "model")))
        real(partial, path, data)

    monkeypatch.setattr(journal, "write_file", watch)
    with writer_of(tmp_path / "out", shard_bytes=16) as writer:
        fill(writer)
        writer.finish({})
    one, two = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    assert seen == [([], []), ([one], [one]), ([one, two], [one, two])]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount here: {error}")
    if mounted.returncode:
        pytest.skip(f"may not mount: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_small_disk(small_disk: Path) -> None:
    with pytest.raises(ResourceError, match=r"needs 2\.4 MB and 2\.1 MB are free"):
        writer_of(small_disk / "out", (300_000,))
    assert tree(small_disk) == []
    with pytest.raises(SourceError, match="is a mount point"):
        writer_of(small_disk)
    writer = writer_of(small_disk / "out", (200_000,), shard_bytes=800_000)
    (small_disk / "ballast").write_bytes(bytes(1_000_000))
    with pytest.raises(ResourceError, match=r"disk is full.*The model needs 1\.6 MB"):
        for start in range(0, 200_000, 10_000):
            for name in ("a", "b"):
                writer.write(name, start, torch.ones(10_000))
        writer.finish({})
    assert tree(small_disk) == ["ballast"]
    (small_disk / "ballast").unlink()
    with writer_of(small_disk / "out", (200_000,), shard_bytes=800_000) as writer:
        fill(writer, 200_000)
        writer.finish({})
    assert {n: t.sum().item() for n, t in read(small_disk / "out").items()} == {
        "a": 200_000.0, "b": 200_000.0,
    }  # fmt: skip
