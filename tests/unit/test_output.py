"""Writing a model: whole or not at all."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import row
from safetensors import safe_open
from safetensors.torch import load_file

from merging.engine import Outcome, TensorReport, output
from merging.engine.output import write_model
from merging.errors import ResourceError, SourceError
from merging.recipe import make_recipe, parse_recipe

RECIPE = make_recipe("ties", {"a": 1.0, "b": 0.5}, base="base", params={"density": 0.3})
OUTCOME = Outcome(
    RECIPE,
    {"ids": torch.arange(2), "w": row(1, 2).to(torch.bfloat16), "t": torch.ones(2, 3).T},
    (TensorReport("w", "merge", "over 2 expert(s)"),),
    1.23456,
    "cpu",
)
CONFIG = {"model_type": "vit", "torch_dtype": "float32", "hidden_size": 8}


def test_everything_is_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    done = write_model(OUTCOME, CONFIG, folder)
    assert (done.folder, dict(done.tensors)) == (folder, {})
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "config.json", "merge_report.json", "model.safetensors", "recipe.yaml",
    ]  # fmt: skip
    written = load_file(folder / "model.safetensors")
    assert {n: t.tolist() for n, t in written.items()} == {
        n: t.tolist() for n, t in OUTCOME.tensors.items()
    }
    assert written["w"].dtype == torch.bfloat16
    assert list((tmp_path / "deep").iterdir()) == [folder]


def test_the_recipe_in_the_folder_is_the_recipe(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_model(OUTCOME, CONFIG, folder)
    assert parse_recipe((folder / "recipe.yaml").read_text("utf-8")) == RECIPE
    assert not (folder / "recipe.yaml").read_text("utf-8").startswith("#")
    with safe_open(folder / "model.safetensors", "pt") as file:
        told = file.metadata()
    assert (told["format"], told["merge_explorer_recipe"]) == ("pt", RECIPE.key())
    assert parse_recipe(told["merge_explorer_recipe_text"]) == RECIPE


def test_config_names_the_type_of_most_weights(tmp_path: Path) -> None:
    write_model(OUTCOME, CONFIG, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert written == {"model_type": "vit", "hidden_size": 8, "dtype": "float32"}


def test_report(tmp_path: Path) -> None:
    write_model(OUTCOME, CONFIG, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "merge_report.json").read_text()) == {
        "recipe": RECIPE.key(),
        "seconds": 1.235,
        "device": "cpu",
        "files": {},
        "files_made": [],
        "files_not_taken": {},
        "notes": [],
        "tensors": [{"tensor": "w", "action": "merge", "reason": "over 2 expert(s)"}],
    }


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_model(OUTCOME, CONFIG, folder)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_model(OUTCOME, CONFIG, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_not_overwritten(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept = out / "mine" if kind == "folder" else out
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("precious")
    with pytest.raises(SourceError, match=r"exists already\. Choose another --out"):
        write_model(OUTCOME, CONFIG, out)
    assert kept.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [out]


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("owner", "step"), [(os, "pwrite"), (Path, "replace")])
def test_nothing_is_left_when_the_disk_is_full(
    owner: Any, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise FULL

    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(ResourceError, match="disk is full"):
        write_model(OUTCOME, CONFIG, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a bug")], ids=repr)
@pytest.mark.parametrize("step", ["_config", "write_recipe"])
def test_nothing_is_left_when_it_is_broken_off(
    step: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(output, step, fail)
    with pytest.raises(type(error)):
        write_model(OUTCOME, CONFIG, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 400, "file/out"])
def test_a_place_where_nothing_can_be_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="Cannot write beside"):
        write_model(OUTCOME, CONFIG, tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
