"""The command line, from recipe file to a folder that transformers loads."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import SUM, command, named, refused, weights
from safetensors.torch import load_file, save_file

from merging.checkpoints import FolderCheckpoint
from merging.cli import main
from merging.errors import Cancelled
from merging.methods.masks import HashMasks
from merging.recipe import parse_recipe


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


def test_a_recipe_of_mergekit_is_merged(vit_family: Path, tmp_path: Path, capsys: Any) -> None:
    """Weights vote and divide: where both agree the result is (2 one + two) / 3 of the changes."""
    recipe = f"""models:
  - model: {vit_family}/base
  - {{model: {vit_family}/one, parameters: {{weight: 2}}}}
  - model: {vit_family}/two
merge_method: ties
base_model: {vit_family}/base
parameters: {{weight: 1, normalize: true}}
"""
    assert main(command(vit_family, recipe, tmp_path / "out")) == 0
    base, one, two = (weights(vit_family / n) for n in ("base", "one", "two"))
    for name, found in weights(tmp_path / "out").items():
        first, second = one[name] - base[name], two[name] - base[name]
        together = base[name] + (2 * first + second) / 3
        alone = base[name] + torch.where((2 * first).abs() > second.abs(), first, second)
        want = torch.where(first.sign() == second.sign(), together, alone)
        assert torch.allclose(found, want, atol=1e-5)
    assert parse_recipe((tmp_path / "out" / "recipe.yaml").read_text()).dialect == "mergekit"
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path / 'out'}: ")


# --- Refused --------------------------------------------------------------------------------------


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
