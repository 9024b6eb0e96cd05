"""The command line, from recipe file to a folder that transformers loads."""

import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import State
from safetensors.torch import load_file, save_file

from merging import cli
from merging.checkpoints import FolderCheckpoint
from merging.cli import comparison_table, main
from merging.dialects import Comparison, Distance, Option
from merging.errors import Cancelled
from merging.methods.masks import HashMasks
from merging.recipe import make_recipe, parse_recipe

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


def test_transformers_loads_what_was_merged(family: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    out = tmp_path / "out"
    assert main(command(family, named(SUM, family), out)) == 0
    base, one, two = (weights(family / n) for n in ("base", "one", "two"))
    want = {n: base[n] + 2 * (0.5 * (one[n] - base[n]) - 0.25 * (two[n] - base[n])) for n in base}
    written = weights(out)
    assert written.keys() == want.keys()
    assert all(torch.allclose(written[n], want[n], atol=1e-6) for n in want)
    options: dict[str, Any] = {"output_loading_info": True}
    if "vit" in str(family):
        options["add_pooling_layer"] = False
    model, info = AutoModel.from_pretrained(out, **options)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    # Transformers renames tensors while it loads; writing turns the names back.
    model.save_pretrained(tmp_path / "again")
    loaded = weights(tmp_path / "again")
    assert loaded.keys() == want.keys()
    assert all(torch.allclose(loaded[n], t, atol=1e-6) for n, t in want.items())


def test_dare_drops_the_entries_of_its_hash(vit_family: Path, tmp_path: Path) -> None:
    """At a drop rate of 3/4 what is kept counts four times; which ones, the seed says."""
    name = f"{vit_family}/one"
    recipe = (
        f"format: merge-explorer/1\nbase: base\nexperts: ['{name}']\nmethod: dare\nseed: 5\n"
        "params: {drop_rate: 0.75, scale: 1}\n"
    )
    assert main(command(vit_family, recipe, tmp_path / "out")) == 0
    base, one = weights(vit_family / "base"), weights(vit_family / "one")
    for tensor, found in weights(tmp_path / "out").items():
        kept = HashMasks(5).keep(tensor, name, 0, found.numel(), 0.75).reshape(found.shape)
        want = base[tensor] + 4 * kept * (one[tensor] - base[tensor])
        assert torch.allclose(found, want, atol=1e-6)


def test_paths_are_relative_to_the_recipe(
    vit_family: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(vit_family, tmp_path / "models")
    (tmp_path / "models" / "mix.yaml").write_text(SUM)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["merge", "../models/mix.yaml", "--out", "out"]) == 0
    written = Path("out/recipe.yaml").read_text("utf-8")
    assert parse_recipe(written) == parse_recipe(SUM)
    home = str(tmp_path / "models")
    assert written.startswith(f"# Paths count from {home!r}: merge again from there.\n")


def test_an_average_needs_no_base(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nexperts: [{id: one}, {id: two}]\nmethod: linear\n"
    assert main(command(vit_family, named(recipe, vit_family), tmp_path / "out")) == 0
    one, two, out = (weights(p) for p in (vit_family / "one", vit_family / "two", tmp_path / "out"))
    assert all(torch.allclose(out[n], (one[n] + two[n]) / 2, atol=1e-6) for n in one)
    assert f"{len(one)} tensors merged, 0 copied or left out" in capsys.readouterr().out


def test_shards_are_read(vit_family: Path, tmp_path: Path) -> None:
    shutil.copytree(vit_family, tmp_path / "models")
    base = weights(vit_family / "base")
    folder = tmp_path / "models" / "base"
    (folder / "model.safetensors").unlink()
    names = sorted(base)
    for file, part in (("one.safetensors", names[::2]), ("two.safetensors", names[1::2])):
        save_file({n: base[n] for n in part}, folder / file)
    index = ", ".join(f'"{n}": "{("one", "two")[i % 2]}.safetensors"' for i, n in enumerate(names))
    (folder / "model.safetensors.index.json").write_text(f'{{"weight_map": {{{index}}}}}')
    (tmp_path / "models" / "mix.yaml").write_text(SUM)
    assert main(["merge", str(tmp_path / "models" / "mix.yaml"), "--out", str(tmp_path / "a")]) == 0
    assert main(command(vit_family, named(SUM, vit_family), tmp_path / "b")) == 0
    assert all(torch.equal(weights(tmp_path / "a")[n], weights(tmp_path / "b")[n]) for n in names)


# --- Refused --------------------------------------------------------------------------------------


def refused(capsys: Any, arguments: list[str], out: Path) -> str:
    before = sorted(out.parent.iterdir())
    assert main(arguments) == 1
    assert sorted(out.parent.iterdir()) == before
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err
    return str(captured.err)


def test_a_folder_in_use(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    assert "exists already" in refused(capsys, arguments, tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("task_arithmetic", "tsak_arithmetic", "Did you mean 'task_arithmetic'"),
        ("scale: 2", "scale: 20", "scale is 20; it must be at least -10 and at most 10"),
        ("base: base\n", "", "needs a base model"),
        ("id: two", "id: none", "there is no folder"),
        ("id: two", "id: " + "x" * 400, "there is no folder"),
        ("experts", "models", "Did you mean 'experts'"),
        ("base: base", "set: nonsense", "Unknown set 'nonsense'"),
    ],
)
def test_recipes_that_are_refused(
    old: str, new: str, message: str, vit_family: Path, tmp_path: Path, capsys: Any
) -> None:
    recipe = SUM.replace(old, new)
    arguments = command(vit_family, named(recipe, vit_family), tmp_path / "out")
    assert message in refused(capsys, arguments, tmp_path / "out")


def test_a_recipe_that_is_not_there(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    for path in (tmp_path / "none.yaml", tmp_path):
        arguments = ["merge", str(path), "--out", str(out)]
        assert "Cannot read the recipe" in refused(capsys, arguments, out)
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    arguments = ["merge", str(tmp_path / "latin"), "--out", str(out)]
    assert "is not text. Give a recipe in YAML." in refused(capsys, arguments, out)


def test_models_that_do_not_fit(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(vit_family, tmp_path / "models")
    path = tmp_path / "models" / "two" / "model.safetensors"
    state = load_file(path)
    name = sorted(state)[0]
    save_file(state | {name: torch.zeros(5)}, path)
    (tmp_path / "models" / "mix.yaml").write_text(SUM)
    arguments = ["merge", str(tmp_path / "models" / "mix.yaml"), "--out", str(tmp_path / "out")]
    message = refused(capsys, arguments, tmp_path / "out")
    assert f"'{name}' is" in message
    assert "in base and 5 in two" in message


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Cancelled("stop"), 1)])
def test_interrupted(
    error: BaseException, code: int, vit_family: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: Any,
) -> None:  # fmt: skip
    def stop(*_: Any) -> None:
        raise error

    monkeypatch.setattr(FolderCheckpoint, "load", stop)
    arguments = command(vit_family, named(SUM, vit_family), tmp_path / "out")
    assert main(arguments) == code
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.yaml"]
    assert capsys.readouterr().err != ""


@pytest.mark.parametrize("arguments", [[], ["merge"], ["merge", "a.yaml"], ["mix"]])
def test_wrong_usage(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m merging" in capsys.readouterr().err


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    cli._show(0.25, "merge w")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    cli._show(0.25, "merge w")
    assert capsys.readouterr().err.startswith("\r 25%  merge w")


# --- Dialects -------------------------------------------------------------------------------------


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_dialects_of_a_bundled_set_are_told(tmp_path: Path, capsys: Any) -> None:
    recipe = """format: merge-explorer/1
set: gentle
experts: [{id: digits, weight: 1.0}, {id: fashion, weight: -0.5}]
method: ties
params: {density: 1.0, voters: unweighted, scale: 0.3}
"""
    path = written(tmp_path / "recipe.yaml", recipe)
    assert main(["dialects", path, "--device", "cpu"]) == 0
    first, second, third = capsys.readouterr().out.strip().split("\n\n")
    assert first.splitlines()[0] == "TIES: paper against mergekit"
    assert "  combine: mean here, weighted_mean there" in first
    assert "  refused: A weight is -0.5, and combine weighted_mean divides" in first
    head, *rows = third.splitlines()
    assert head == "TIES: paper against fusion_bench"
    assert rows[0] == "  combine: mean here, sum there"
    assert rows[1].split() == ["difference", "largest", "signs"]
    assert re.fullmatch(r"  whole model +\d+\.\d\d% +\d\.\d\de[-+]\d\d +0\.00%", rows[2])
    assert "against peft" in second


def test_dialects_of_folders_are_told(family: Path, tmp_path: Path, capsys: Any) -> None:
    text = named(SUM, family).replace(": base", f": {family}/base")
    path = written(tmp_path / "recipe.yaml", text)
    assert main(["dialects", path, "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "Task arithmetic: paper against mergekit\n  no option differs" in shown
    assert len(shown.splitlines()) == 3 * (4 + len(weights(family / "base"))) + 2


def test_a_distance_is_no_share_of_a_change_that_is_none() -> None:
    gap = Distance(math.inf, 1.5, 1.0, 4)
    found = Comparison("mergekit", (Option("scale", 0.0, 1.0),), {"w": gap}, gap)
    recipe = make_recipe("ties", ["a"])
    assert comparison_table(recipe, (found,)).splitlines() == [
        "TIES: paper against mergekit",
        "  scale: 0.0 here, 1.0 there",
        "                difference    largest    signs",
        "  whole model    no change   1.50e+00  100.00%",
        "  w              no change   1.50e+00  100.00%",
    ]


def test_a_method_with_one_dialect_says_so(tmp_path: Path, capsys: Any) -> None:
    recipe = "format: merge-explorer/1\nset: gentle\nexperts: [digits]\nmethod: wise_ft\n"
    assert main(["dialects", written(tmp_path / "recipe.yaml", recipe)]) == 0
    assert capsys.readouterr().out == "WiSE-FT has one dialect only: paper.\n"


def test_dialects_of_a_recipe_that_is_not_there(tmp_path: Path, capsys: Any) -> None:
    assert main(["dialects", str(tmp_path / "none.yaml")]) == 1
    assert "Cannot read the recipe" in capsys.readouterr().err
