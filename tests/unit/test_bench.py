"""The bench at tiny size: every row is there. No figure is asserted, and mergekit is not needed."""

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from merging import cli
from scripts import bench_child, bench_core, bench_merge, bench_process, bench_whole
from scripts.bench_agreement import agreement, statistical_gap
from scripts.bench_models import SIZES, WEIGHTS, Family, make_family
from scripts.bench_process import Ran, descendants, memory_of, python, ran
from scripts.bench_work import (
    DARE_TIES,
    TASK_ARITHMETIC,
    TIES,
    alternating,
    our_command,
    save_recipe,
    their_command,
)
from scripts.figures import Figure, Report

SHARES = (1.0, 0.75, 0.5, 0.25)
METHODS = ("TIES", "DARE-TIES", "task arithmetic")
PAGE = ("linear", "task_arithmetic", "ties", "dare", "dare_ties")
WAYS = ("torch.kthvalue", "torch.sort", "numpy.partition", "ours")
EXPECTED: dict[str, list[str]] = {
    "whole": [
        f"tiny {m}: {what}"
        for m in METHODS
        for what in ("wall time over mergekit's", "memory over mergekit's", "disagreement")
    ],
    "merge": [
        f"tiny {m}: merge over read + write{through}"
        for m in ("TIES", "task arithmetic", "TIES, dialect paper")
        for through in ("", " through one buffer")
    ],
    "growth": [
        "TIES, 2 to 8 experts: time grown / 4",
        "TIES, 2 to 8 experts: memory grown",
        "TIES, 135 M to 1.1 B: time grown",
        "TIES, 135 M to 1.1 B: memory grown",
    ],
    "again": [f"tiny {m}: again after {what} changed" for m in METHODS for what in ("weight", "λ")],
    "preview": ["preview of any change, p95"],
    "sketch": ["tiny: sketch built over inputs read"],
    "gpu": [
        "GPU, TIES: bytes moved over time / a device copy's rate",
        "GPU, TIES: the same, the result brought to the host",
    ],
    "selection": [
        f"k-th magnitude, {kind}, {way}" for kind in ("normal", "of bfloat16") for way in WAYS
    ],
    "page": [
        *(f"gentle, {what} {method}" for what in ("preview", "merge") for method in PAGE),
        "gentle, score all tasks",
        "gentle, merge and evaluate, TIES, all tasks",
        "mask hash, per element",
    ],
}


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return make_family(tmp_path_factory.mktemp("bench"), SIZES["tiny"], 4)


def within(command: Sequence[str]) -> Ran:
    """Run a command of ours without the two seconds that a process of its own takes to start."""
    interpreter, flag, module, *arguments = command
    assert (interpreter, flag) == (sys.executable, "-m")
    with redirect_stdout(StringIO()) as said:
        main = {"merging": cli.main, "scripts.bench_child": bench_child.main}[module]
        assert main(arguments) == 0
    return Ran(1.0, 1.0, 2_000_000, 3_000_000, said.getvalue())


def test_every_row_is_produced(
    family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for module in (bench_whole, bench_merge):
        monkeypatch.setattr(module, "ran", within)
    told = tmp_path / "figures.json"
    work = str(family.folder.parent)
    options = ["--size", "tiny", "--repeats", "1", "--no-mergekit", "--work", work]
    assert bench_core.main([*options, "--json", str(told)]) in (0, 1)
    found = json.loads(told.read_text("utf-8"))
    assert [(r["row"], r["name"]) for r in found["rows"]] == [
        (row, name) for row, names in EXPECTED.items() for name in names
    ]
    absent = [r for r in found["rows"] if r["row"] == "whole"]
    assert all(r["verdict"] == "not measured" and r["reached"] for r in absent)
    assert all("mergekit is not installed" in r["note"] for r in absent)
    assert absent[0]["details"]["ours"]["anonymous"] == 2_000_000
    assert found["options"] == {"size": "tiny", "large": False, "repeats": 1}
    assert found["machine"]["torch"] == torch.__version__
    assert str(tmp_path) not in told.read_text() and work not in told.read_text()
    printed = capsys.readouterr().out
    assert all(name in printed for names in EXPECTED.values() for name in names)
    assert [p.name for p in family.folder.parent.iterdir()] == ["tiny"]


def test_rows_can_be_chosen(tmp_path: Path, capsys: Any) -> None:
    options = ["--size", "tiny", "--no-mergekit", "--work", str(tmp_path)]
    assert bench_core.main([*options, "--rows", "gpu,preview"]) in (0, 1)
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["GPU,", "GPU,", "preview"]
    with pytest.raises(SystemExit):
        bench_core.main(["--rows", "nonsense"])
    assert "no row 'nonsense'; there are whole," in capsys.readouterr().err


def test_a_merge_in_a_process_of_its_own_is_measured(family: Family, tmp_path: Path) -> None:
    recipe = save_recipe(family, TASK_ARITHMETIC.recipe(family))
    command = python("-m", "scripts.bench_child", recipe, "--out", tmp_path / "out")
    run = ran(command)
    assert 0 < bench_merge.alone(run) < run.seconds
    assert run.processor > 0
    if (bench_process.PROC / "self" / "status").exists():
        assert run.anonymous is not None and run.resident is not None
        assert 10_000_000 < run.anonymous < run.resident
    base = load_file(family.folder / "base" / WEIGHTS)
    experts = [load_file(family.folder / e / WEIGHTS) for e in family.experts]
    written = load_file(tmp_path / "out" / WEIGHTS)
    for name, weights in base.items():
        start = weights.float()
        changes = [w * (e[name].float() - start) for w, e in zip(SHARES, experts, strict=True)]
        want = (start + 0.5 * torch.stack(changes).sum(0)).bfloat16()
        assert torch.equal(written[name], want)


def test_children_are_found_and_their_memory_is_read() -> None:
    """A parent starts a child that holds 60 MB, says so, and waits to be let go."""
    if not (bench_process.PROC / "self" / "status").exists():
        pytest.skip("memory is read from /proc")
    child = "held = b'x' * 60_000_000; print('here', flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with Popen(python("-c", parent), stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        first, second = descendants(process.pid)
        small, large = memory_of(first), memory_of(second)
        process.communicate("\n")
    assert first == process.pid
    assert small is not None and large is not None
    assert small[0] < 60_000_000 < large[0] < large[1]
    assert memory_of(second) is None


def test_a_command_that_fails_is_told() -> None:
    with pytest.raises(bench_process.CommandFailed, match="no such thing"):
        ran(python("-c", "import sys; sys.exit('no such thing')"))


def test_models_are_made_once_and_the_same(family: Family, tmp_path: Path) -> None:
    other = make_family(tmp_path, SIZES["tiny"], 2)
    for ours, theirs in zip(other.files(), family.files(), strict=False):
        assert ours.read_bytes() == theirs.read_bytes()
    before = [p.stat().st_mtime_ns for p in other.files()]
    again = make_family(tmp_path, SIZES["tiny"], 3)
    assert [p.stat().st_mtime_ns for p in again.files()][:3] == before
    assert {n: tuple(t.shape) for n, t in load_file(again.files()[3]).items()} == SIZES[
        "tiny"
    ].shapes()
    assert SIZES["135m"].parameters == 134_515_008
    assert SIZES["1.1b"].parameters == 1_100_048_384


def test_works_alternate() -> None:
    order: list[str] = []
    first, second = alternating(
        (lambda: order.append("a") or len(order), 3), (lambda: order.append("b") or len(order), 1)
    )
    assert order == ["a", "b", "a", "a"]
    assert (first, second) == ([1, 3, 4], [2])


def test_both_tongues_say_the_same(family: Family) -> None:
    config, recipe = TIES.config(family), TIES.recipe(family)
    assert [m["parameters"]["weight"] for m in config["models"]] == list(SHARES)
    assert [e.weight for e in recipe.experts] == list(SHARES)
    assert {m["parameters"]["density"] for m in config["models"]} == {0.3}
    assert dict(recipe.params) == {"density": 0.3, "scale": 0.5}
    assert config["parameters"] == {"lambda": 0.5}
    assert (config["dtype"], config["out_dtype"], recipe.dtype) == ("float32", "bfloat16", None)
    assert dict(DARE_TIES.recipe(family).params)["drop_rate"] == 0.7
    theirs = their_command("theirs", Path("a.yml"), Path("out"))
    assert theirs[:5] == ["theirs", "-m", "mergekit.scripts.run_yaml", "a.yml", "out"]
    assert our_command(Path("a.yaml"), Path("out"))[-3:] == ["--device", "cpu", "--no-verify"]


def written(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    folder.mkdir()
    save_file(state, folder / WEIGHTS)
    return folder


def test_ties_are_left_out_and_the_rest_is_compared(tmp_path: Path) -> None:
    """At density 0.5 two of four are kept: the one of size 3 and one of two of size 2.

    Two of the four weights of ours changed, and three of theirs.
    """
    base = {"w": torch.tensor([8.0, 8.0, 8.0, 8.0])}
    written(tmp_path / "base", base)
    written(tmp_path / "one", {"w": torch.tensor([11.0, 10.0, 6.0, 9.0])})
    family = Family(tmp_path, SIZES["tiny"], ("one",))
    ours = written(tmp_path / "ours", {"w": torch.tensor([11.0, 10.0, 8.0, 8.0])})
    theirs = written(tmp_path / "theirs", {"w": torch.tensor([11.0, 8.0, 6.0, 8.5])})
    found = agreement(family, ours, theirs, 0.5)
    assert (found.ties, found.differ) == (0.5, 0.5)
    assert found.largest == pytest.approx(0.5 / 8.5)
    assert agreement(family, ours, theirs).largest == 0.25
    assert statistical_gap(family, ours, theirs) == pytest.approx(1 / 3)
    assert statistical_gap(family, ours, ours) == 0.0


def test_verdicts() -> None:
    report = Report()
    for value, least in ((1.0, False), (3.0, False), (3.0, True), (None, False)):
        report.show(Figure("f", value, "x", 2.0, least))
    assert [f.verdict for f in report.figures] == ["held", "missed", "held", "not measured"]
    assert [f.reached for f in report.figures] == [True, False, True, True]
    assert Figure("f", 1.0, "x").verdict == "reported"
    assert not report.reached
