"""Merging into a folder: killed and resumed, cancelled, refused, out of disk, within a budget."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import checkpoints
from safetensors.torch import load_file, save_file
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint, open_folder
from merging.engine import Plan, make_plan, run
from merging.engine.commit import commit
from merging.errors import Cancelled, ResourceError, SourceError
from merging.recipe import Recipe, make_recipe

State = dict[str, Tensor]
SHARD = 400_000  # bytes, so that a model of a few tensors has several files
RECIPE = make_recipe("ties", {"a": 1.0, "b": 0.5}, base="base", params={"density": 0.4})


def model(seed: int) -> State:
    source = torch.Generator().manual_seed(seed)
    names = [f"layers.{i}.weight" for i in range(6)]
    state = {n: torch.randn(300, 301, generator=source).bfloat16() for n in names}
    return {**state, "norm.weight": torch.randn(301, generator=source).bfloat16()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base and two experts on disk."""
    home = tmp_path / "models"
    for seed, name in enumerate(("base", "a", "b")):
        (home / name).mkdir(parents=True)
        save_file(model(seed), home / name / "model.safetensors")
        (home / name / "config.json").write_text('{"hidden_size": 301}')
    return home


def planned(folder: Path, recipe: Recipe = RECIPE) -> Plan:
    experts = {e.id: open_folder(folder / e.id, e.id) for e in recipe.experts}
    return make_plan(recipe, open_folder(folder / "base", "base"), experts)


def written(folder: Path) -> State:
    found: State = {}
    for path in folder.glob("*.safetensors"):
        found |= load_file(path)
    return found


def same(found: State, want: Any) -> bool:
    return found.keys() == want.keys() and all(torch.equal(found[n], want[n]) for n in want)


@pytest.mark.parametrize("method", ["ties", "della", "emr"])
def test_what_is_written_is_what_is_merged(method: str, folder: Path, tmp_path: Path) -> None:
    """By chunks, by tensors and by whole models."""
    plan = planned(folder, make_recipe(method, ["a", "b"], base="base"))
    outcome = commit(plan, tmp_path / "out", device="cpu", shard_bytes=SHARD)
    want = run(plan, device="cpu")
    assert same(
        {n: t for n, t in written(tmp_path / "out").items() if n in want.tensors}, want.tensors
    )
    assert outcome.folder == tmp_path / "out"
    assert outcome.report == want.report
    assert not list(tmp_path.glob(".*"))


def test_a_model_that_is_written_to_meanwhile(folder: Path, tmp_path: Path) -> None:
    file = folder / "b" / "model.safetensors"
    before = run(planned(folder), device="cpu").tensors

    def overwrite(fraction: float, message: str) -> None:
        if fraction < 0.9:
            save_file(model(9), file)

    for merge in (
        lambda: commit(planned(folder), tmp_path / "out", overwrite, device="cpu"),
        lambda: run(planned(folder), overwrite, device="cpu"),
    ):
        with pytest.raises(SourceError, match=r"Model b was changed while it was merged"):
            merge()
        assert [p.name for p in tmp_path.iterdir()] == ["models"]
    save_file(model(2), file)
    commit(planned(folder), tmp_path / "out", device="cpu")
    assert same(written(tmp_path / "out"), before)


def test_threads_change_nothing(folder: Path, tmp_path: Path) -> None:
    plan = planned(folder)
    for threads in (1, 3):
        commit(plan, tmp_path / str(threads), device="cpu", threads=threads, shard_bytes=SHARD)
    one, three = (sorted((tmp_path / n).glob("*.safetensors")) for n in ("1", "3"))
    assert len(one) == len(three) == 3
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, three, strict=True))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
from merging.engine.commit import commit
import test_commit as t

from merging.engine import sink
write, left = sink.Tied.write, [{after}]

def counted(self, name, start, values):
    write(self, name, start, values)
    left[0] -= 1
    if left[0] == 0:
        while len(list(Path({out!r}).parent.glob(".out.merging/**/model-*.safetensors"))) < {files}:
            os.sched_yield()  # the thread that writes is behind
        os.kill(os.getpid(), signal.SIGKILL)

sink.Tied.write = counted
commit(t.planned(Path({folder!r})), Path({out!r}), device="cpu", threads=1, shard_bytes=t.SHARD)
"""


def killed(folder: Path, out: Path, after: int) -> int:
    """Merge in another process that kills itself after so many tensors, two to a file."""
    tests, files = str(Path(__file__).parent), (after - 1) // 2
    code = KILLED.format(tests=tests, after=after, files=files, folder=str(folder), out=str(out))
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, "-c", code], cwd=root, timeout=120).returncode


def finished(out: Path) -> list[Path]:
    return sorted(out.parent.glob(".out.merging/**/*.safetensors"))


@pytest.mark.parametrize("after", [1, 3, 5, 7])
def test_a_killed_merge_goes_on_where_it_was(after: int, folder: Path, tmp_path: Path) -> None:
    """SIGKILL after so many tensors; what lies under a final name is complete at any time."""
    out = tmp_path / "out"
    assert killed(folder, out, after) == -signal.SIGKILL
    assert not out.exists()
    plan = planned(folder)
    want = run(plan, device="cpu").tensors
    for path in finished(out):
        part = load_file(path)
        assert same(part, {n: want[n] for n in part})
    commit(plan, out, device="cpu", threads=1, shard_bytes=SHARD)
    assert same(written(out), want)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_finished_files_are_not_made_again(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed(folder, out, 6)
    there = {n for p in finished(out) for n in load_file(p)}
    words: list[str] = []
    commit(planned(folder), out, lambda _, word: words.append(word), "cpu", shard_bytes=SHARD)
    made = {w.removeprefix("merge ") for w in words if w.startswith("merge ")}
    assert len(there) >= 4
    assert made == model(0).keys() - there


def test_another_input_is_begun_anew(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed(folder, out, 6)
    save_file(model(7), folder / "a" / "model.safetensors")
    commit(planned(folder), out, device="cpu", shard_bytes=SHARD)
    assert same(written(out), run(planned(folder), device="cpu").tensors)


@pytest.mark.parametrize("method", ["ties", "della", "emr"])
def test_cancel_leaves_nothing(method: str, folder: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())

    def progress(fraction: float, message: str) -> None:
        if fraction > 0.3:
            raise Cancelled("Cancelled. Nothing was kept.")

    plan = planned(folder, make_recipe(method, ["a", "b"], base="base"))
    with pytest.raises(Cancelled):
        commit(plan, tmp_path / "out", progress, "cpu", shard_bytes=SHARD)
    assert sorted(tmp_path.iterdir()) == before


def test_a_second_process_is_refused(folder: Path, tmp_path: Path) -> None:
    """While one writes, another is told so; the first is unharmed."""
    told: list[str] = []

    def progress(fraction: float, message: str) -> None:
        if fraction > 0.3 and not told:
            code = (
                f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
                "from pathlib import Path\nimport test_commit as t\n"
                "from merging.engine.commit import commit\nfrom merging.errors import SourceError\n"
                f"try: commit(t.planned(Path({str(folder)!r})), Path({str(tmp_path / 'out')!r}))\n"
                "except SourceError as error: print(error)\n"
            )
            root = Path(__file__).parents[2]
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=root, timeout=120, capture_output=True, text=True
            )
            told.append(done.stdout + done.stderr)

    commit(planned(folder), tmp_path / "out", progress, "cpu", shard_bytes=SHARD)
    assert told[0].startswith("Another merge") and "is writing to" in told[0]
    assert same(written(tmp_path / "out"), run(planned(folder), device="cpu").tensors)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine may not mount")
    try:
        with pytest.raises(ResourceError, match=r"disk|room|space"):
            commit(planned(folder), disk / "out", device="cpu", shard_bytes=SHARD)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_budget_is_refused_before_any_work(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"needs about 4\d\d MB of memory, and 100 MB"):
        commit(planned(folder), tmp_path / "out", device="cpu", memory=100_000_000)
    assert not (tmp_path / "out").exists()


def test_running_out_of_memory_is_told_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("merging.engine.stream.Stream.merged", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ResourceError, match="Not enough memory on cpu for 2 expert"):
        commit(planned(folder), tmp_path / "out", device="cpu")
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_in_use_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    with pytest.raises(SourceError, match="exists already"):
        commit(planned(folder), tmp_path / "out", device="cpu")
    assert (tmp_path / "out" / "mine").read_text() == "precious"


def test_models_in_memory_are_committed_too(tmp_path: Path) -> None:
    base = {"w": torch.zeros(5)}
    models = {"a": {"w": torch.ones(5)}}
    recipe = make_recipe("task_arithmetic", ["a"], params={"scale": 0.5})
    plan = make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(models))
    commit(plan, tmp_path / "out", device="cpu")
    assert written(tmp_path / "out")["w"].tolist() == [0.5] * 5
    shutil.rmtree(tmp_path / "out")
