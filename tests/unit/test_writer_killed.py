"""kill -9 at every step of writing: what is finished is kept, what is partial never shows."""

import json
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import torch
from kill_points import FILES, SLOTS, tensor, write
from safetensors.torch import load_file

from merging.errors import SourceError

PROJECT = Path(__file__).resolve().parents[2]
KEY = "key of the recipe"
NAMES = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
INSIDE = [{"a"}, {"b", "c"}, {"d", "e", "f"}]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run writes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert write(out, KEY) == frozenset()
    return contents(out)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder for every step, as the killed process left it; the last one was not killed."""
    root = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.unit.kill_points", str(root), KEY]
    subprocess.run(command, check=True, timeout=300, cwd=PROJECT)
    return sorted((p for p in root.iterdir()), key=lambda p: int(p.name))


def recorded(work: Path) -> set[str]:
    """Files that the journal knows and that are as they were, found out independently."""
    path = work / "journal.json"
    if not path.exists() or not (work / "model").exists():
        return set()
    shards = json.loads(path.read_text())["shards"]
    data = {name: (work / "model" / name).read_bytes() for name in shards}
    assert {n: [len(d), zlib.crc32(d)] for n, d in data.items()} == shards
    return set(shards)


def inside(names: set[str]) -> set[str]:
    return set().union(*(INSIDE[NAMES.index(name)] for name in names))


def test_the_reference_is_right(whole: dict[str, bytes], tmp_path: Path) -> None:
    assert sorted(whole) == sorted([*NAMES, "model.safetensors.index.json", *FILES])
    assert {n: whole[n].decode() for n in FILES} == FILES
    found: dict[str, torch.Tensor] = {}
    for name, members in zip(NAMES, INSIDE, strict=True):
        (tmp_path / name).write_bytes(whole[name])
        part = load_file(tmp_path / name)
        assert set(part) == members
        found |= part
    for slot in SLOTS:
        assert torch.equal(found[slot.name], tensor(slot)), slot.name
        assert found[slot.name].dtype == slot.dtype


def test_no_partial_file_ever_bears_a_final_name(
    killed: list[Path], whole: dict[str, bytes]
) -> None:
    for root in killed:
        if (root / "out").exists():
            assert contents(root / "out") == whole, root.name
        if (model := root / ".out.merging" / "model").exists():
            assert contents(model).items() <= whole.items(), root.name
        assert {p.name for p in root.iterdir()} <= {"out", ".out.merging"}


def test_every_kind_of_moment_was_met(killed: list[Path]) -> None:
    """Else the tests here would show little."""
    moments: set[tuple[int, int, bool]] = set()
    for root in killed:
        work = root / ".out.merging"
        complete = len(list((work / "model").glob("*.safetensors")))
        partial = any(p.stat().st_size for p in work.glob("model*.partial"))
        moments.add((complete, len(recorded(work)), partial))
    during = {(i, i, True) for i in range(3)}
    between_rename_and_journal = {(i + 1, i, False) for i in range(3)}
    after_journal = {(i, i, False) for i in range(4)}
    assert moments >= during | between_rename_and_journal | after_journal
    assert contents(killed[-1] / "out") and not (killed[-1] / ".out.merging").exists()


def test_a_second_run_takes_over_exactly_what_was_finished(
    killed: list[Path], whole: dict[str, bytes], tmp_path: Path
) -> None:
    for root in killed:
        copy = shutil.copytree(root, tmp_path / root.name)
        out, work = copy / "out", copy / ".out.merging"
        if out.exists():
            with pytest.raises(SourceError, match="exists already"):
                write(out, KEY)
            continue
        expected = inside(recorded(work))
        assert write(out, KEY) == expected, root.name
        assert contents(out) == whole, root.name
        assert [p.name for p in copy.iterdir()] == ["out"], root.name


def test_another_recipe_takes_nothing_over(
    killed: list[Path], whole: dict[str, bytes], tmp_path: Path
) -> None:
    for root in killed[::3]:
        copy = shutil.copytree(root, tmp_path / root.name)
        if not (copy / "out").exists():
            assert write(copy / "out", "other key") == frozenset()
            assert contents(copy / "out") == whole
            assert [p.name for p in copy.iterdir()] == ["out"]


@pytest.fixture
def full(killed: list[Path], tmp_path: Path) -> Path:
    """A copy of a folder in which all three shards are finished."""
    found = [r for r in killed if len(recorded(r / ".out.merging")) == 3]
    return shutil.copytree(found[0], tmp_path / "full")


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_flipped_byte_is_noticed(full: Path, whole: dict[str, bytes], place: str) -> None:
    path = full / ".out.merging" / "model" / NAMES[1]
    data = bytearray(path.read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[place]] ^= 1
    path.write_bytes(data)
    assert write(full / "out", KEY) == INSIDE[0] | INSIDE[2]
    assert contents(full / "out") == whole


@pytest.mark.parametrize("damage", ["short", "long", "gone", "folder"])
def test_other_damage_to_a_shard_is_noticed(
    full: Path, whole: dict[str, bytes], damage: str
) -> None:
    path = full / ".out.merging" / "model" / NAMES[2]
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes(data[:-1] if damage == "short" else data + b"\0")
    assert write(full / "out", KEY) == INSIDE[0] | INSIDE[1]
    assert contents(full / "out") == whole


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"key": "key of the recipe"}', "\x80", "[" * 100_000,
        '{"key": "K", "layout": "L", "shards": []}',
        '{"key": "K", "layout": "L", "shards": {"x": 1}}',
        '{"key": "K", "layout": "L", "shards": {"x": [1e999, 0]}}',
        '{"key": "K", "layout": "L", "shards": {"../../out": [1, 0]}}',
    ],
    ids=range(11),
)  # fmt: skip
def test_a_journal_that_makes_no_sense_is_as_none(
    full: Path, whole: dict[str, bytes], text: str
) -> None:
    path = full / ".out.merging" / "journal.json"
    layout = json.loads(path.read_text())["layout"]
    path.write_bytes(text.replace("K", KEY).replace("L", layout).encode("latin-1"))
    assert write(full / "out", KEY) == frozenset()
    assert contents(full / "out") == whole
