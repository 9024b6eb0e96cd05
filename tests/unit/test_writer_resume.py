"""The streaming writer takes over the finished shards of an interrupted run."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from written_folders import FOUR, fill, read, tree, writer_of

from merging.engine import journal
from merging.engine.shards import Slot
from merging.engine.writer import FolderWriter
from merging.errors import ResourceError


def interrupted(folder: Path, names: list[str]) -> None:
    """Leave a working folder in which these of four shards are finished."""
    writer = FolderWriter(folder, FOUR, "key", shard_bytes=16)
    for name in names:
        writer.write(name, 0, torch.ones(4))
    writer._gone = True  # so that what is written stays
    writer._disk.join()
    writer._claim.release()


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
