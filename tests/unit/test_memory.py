"""Memory that a merge takes, measured from outside: within its promise, whatever the model's size.

Sizes are those of the system: anonymous memory that is resident, sampled in a child process. Maps
of files do not count; the system takes them back when it needs room.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from merging.cli import main
from merging.engine.chunks import CHUNK
from merging.engine.estimate import PROMISED

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists()
    or "RssAnon" not in Path("/proc/self/status").read_text(),
    reason="the system does not tell anonymous memory",
)
SIDE = 2048  # a matrix has 4.2 M weights, in five chunks
SMALL, LARGE = 6, 12  # matrices: 25 M and 50 M weights; three models of them differ by 151 MB
MODELS = ("base", "one", "two")
# What may differ between two runs: the writer's queue, full or empty, and a few pages.
SLACK = 80_000_000
RECIPES = {
    "ties tensor": "ties\nparams: {trim_scope: tensor, density: 0.3}",
    "ties global": "ties\nparams: {trim_scope: global, density: 0.3}",
    "dare_ties": "dare_ties\nparams: {drop_rate: 0.5}",
    "task_arithmetic": "task_arithmetic",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Path]]:
    """A base and two experts in bfloat16, of each size."""
    source = torch.Generator().manual_seed(0)
    start, change = torch.randn(2, SIDE, SIDE, generator=source)
    found = {}
    for count in (SMALL, LARGE):
        found[count] = tmp_path_factory.mktemp(f"matrices-{count}")
        for index, name in enumerate(MODELS):
            values = (start + 0.05 * change.roll(index) * (index > 0)).bfloat16()
            state = {f"layers.{i}.mlp.fc1.weight": values.clone() for i in range(count)}
            for i, tensor in enumerate(state.values()):
                tensor[0] += i + 1  # else they would count as tied
            (found[count] / name).mkdir()
            (found[count] / name / "config.json").write_text("{}")
            save_file(state, found[count] / name / "model.safetensors")
    yield found
    for folder in found.values():
        shutil.rmtree(folder)


def command(folder: Path, kind: str) -> list[str]:
    experts = "experts: [one, two]\nbase: base"
    path = folder / "recipe.yaml"
    path.write_text(f"format: merge-explorer/1\n{experts}\nmethod: {RECIPES[kind]}\n")
    return [str(path), "--device", "cpu", "--threads", "2"]


def measured(folder: Path, kind: str, *options: str) -> int:
    """Merge in a child process; its largest anonymous memory in bytes."""
    out = folder / "out"
    arguments = ["merge", *command(folder, kind), "--out", str(out), "--quiet", *options]
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.memory_child", *arguments],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = sum(p.stat().st_size for p in out.glob("*.safetensors"))
    assert written > 2 * SIDE**2 * SMALL
    shutil.rmtree(out)
    return int(json.loads(done.stdout.splitlines()[-1])["peak"])


def planned(capsys: Any, folder: Path, kind: str, *options: str) -> dict[str, Any]:
    assert main(["plan", *command(folder, kind), "--json", *options]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


@pytest.mark.parametrize("kind", RECIPES)
def test_memory_keeps_its_promise_whatever_the_models_size(
    kind: str, folders: dict[int, Path], capsys: Any
) -> None:
    small, large = (measured(folders[count], kind) for count in (SMALL, LARGE))
    assert max(small, large) <= PROMISED + 3 * len(MODELS) * CHUNK * 4
    assert large - small <= SLACK
    told = planned(capsys, folders[LARGE], kind)
    assert (told["streams"], told["chunk"]) == (True, CHUNK)
    assert max(small, large) <= told["memory"]
    assert told["memory"] == planned(capsys, folders[SMALL], kind)["memory"]


def test_a_small_budget_is_kept(folders: dict[int, Path], capsys: Any) -> None:
    told = planned(capsys, folders[SMALL], "ties global", "--memory", "410MB")
    assert told["fits"] and told["chunk"] < CHUNK
    assert measured(folders[SMALL], "ties global", "--memory", "410MB") <= 410_000_000
