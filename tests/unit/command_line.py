"""Recipes, folders and calls for tests of the command line."""

from pathlib import Path
from typing import Any

from builders import State
from safetensors.torch import load_file

from merging.cli import main

SUM = """format: merge-explorer/1
base: base
experts: [{id: one, weight: 0.5}, {id: two, weight: -0.25}]
method: task_arithmetic
params: {scale: 2}
"""


def weights(folder: Path) -> State:
    return load_file(folder / "model.safetensors")


def command(root: Path, recipe: str, out: Path) -> list[str]:
    path = out.parent / "recipe.yaml"
    path.write_text(recipe.replace(": base", f": {root}/base"))
    return ["merge", str(path), "--out", str(out), "--device", "cpu"]


def named(recipe: str, root: Path) -> str:
    """Experts by their absolute path."""
    return recipe.replace("id: one", f"id: {root}/one").replace("id: two", f"id: {root}/two")


def refused(capsys: Any, arguments: list[str], out: Path) -> str:
    before = sorted(out.parent.iterdir())
    assert main(arguments) == 1
    assert sorted(out.parent.iterdir()) == before
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    return str(captured.err)


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)
