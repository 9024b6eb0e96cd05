"""The streaming writer on disks that are full, broken or too small: nothing is left."""

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from written_folders import fill, read, tree, writer_of

from merging.engine.writer import FolderWriter
from merging.errors import MergeError, ResourceError, SourceError

LONG = 30  # seconds that are never reached unless something hangs


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
        ResourceError, match=r"too full: '.*out' needs 8 MB and 3\.9 MB are free\. Free some"
    ):
        writer_of(tmp_path / "out", (1_000_000,))
    assert tree(tmp_path) == []


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
    with pytest.raises(ResourceError, match=r"needs 2\.4 MB and 2\.\d\d MB are free"):
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
