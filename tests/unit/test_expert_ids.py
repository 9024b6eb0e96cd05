"""Experts that are adapters and deltas: in recipes, in merges and on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import weights
from made_adapters import base_model, factors, write_adapter
from safetensors.torch import load_file, save_file
from torch import Tensor

from merging.checkpoints.adapter_file import read_adapter
from merging.checkpoints.opening import open_model
from merging.cli import main
from merging.cli.models import plan_of
from merging.engine import run
from merging.errors import RecipeError, SourceError
from merging.recipe import parse_recipe, write_recipe

HEAD = "format: merge-explorer/1\nmethod: task_arithmetic\nparams: {scale: 1}\n"
NAME = "layers.0.mlp.up_proj"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A base, an expert and two adapters."""
    for name, shift in (("base", 0.0), ("full", 0.25)):
        folder = tmp_path / name
        folder.mkdir()
        state = {n: t + shift for n, t in base_model().state.items()}
        save_file(state, folder / "model.safetensors")
        (folder / "config.json").write_text('{"model_type": "llama"}')
    write_adapter(tmp_path / "lora", factors(NAME, 10, 6, 2))
    write_adapter(tmp_path / "lora+x", factors(NAME, 10, 6, 3, seed=9), r=3)
    return tmp_path


@pytest.mark.parametrize(
    ("entry", "id"),
    [
        ("{adapter: lora}", "base+lora"),
        ("{model: full, adapter: lora}", "full+lora"),
        ("{model: full}", "full"),
        ("{delta: d.safetensors}", "d.safetensors"),
        ("{id: lora}", "lora"),
    ],
)
def test_ids_are_made_of_parts(entry: str, id: str) -> None:
    recipe = parse_recipe(f"{HEAD}base: base\nexperts: [{entry}]\n")
    assert [e.id for e in recipe.experts] == [id]
    assert parse_recipe(write_recipe(recipe)) == recipe


def test_an_adapter_without_a_base_is_named_by_its_path() -> None:
    recipe = parse_recipe(f"{HEAD}experts: [{{adapter: lora, weight: 0.5}}]\n")
    assert [(e.id, e.weight) for e in recipe.experts] == [("lora", 0.5)]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{id: x, adapter: lora}", "An expert has id, adapter. Give one of"),
        ("{delta: d.safetensors, model: full}", "An expert has model, delta"),
        ("{delta: d.bin}", "delta of an expert is 'd.bin'; it must be a file .safetensors"),
        ("{adapter: 3}", "adapter of an expert is 3; it must be a path"),
        ("{model: full, adapter: [a]}", "adapter of an expert is"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(entry: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        parse_recipe(f"{HEAD}base: base\nexperts: [{entry}]\n")


def merged(home: Path, experts: str) -> dict[str, Tensor]:
    path = home / "recipe.yaml"
    path.write_text(f"{HEAD}base: base\nexperts: [{experts}]\n")
    plan, _ = plan_of(path)
    return dict(run(plan, device="cpu").tensors)


def exact(home: Path, name: str) -> Tensor:
    return read_adapter(home / name, name).delta(NAME)


def test_adapters_of_different_ranks_add_their_exact_deltas(home: Path) -> None:
    found = merged(home, "{adapter: lora, weight: 0.5}, {adapter: lora+x, weight: -2}")
    base = load_file(home / "base" / "model.safetensors")
    wanted = base[f"{NAME}.weight"].double() + 0.5 * exact(home, "lora") - 2 * exact(home, "lora+x")
    assert torch.allclose(found[f"{NAME}.weight"].double(), wanted, rtol=1e-6, atol=1e-5)
    assert all(torch.equal(found[n], t) for n, t in base.items() if NAME not in n)


def test_an_adapter_over_another_model_brings_that_model_too(home: Path) -> None:
    found = merged(home, "{model: full, adapter: lora}")
    base = load_file(home / "base" / "model.safetensors")
    wanted = base[f"{NAME}.weight"].double() + 0.25 + exact(home, "lora")
    assert torch.allclose(found[f"{NAME}.weight"].double(), wanted, rtol=1e-6, atol=1e-5)
    assert torch.allclose(found["norm.weight"], base["norm.weight"] + 0.25, atol=1e-6)


def test_ids_open_what_they_name(home: Path) -> None:
    base = open_model("base", home)
    for id, adapter in (("lora", "lora"), ("base+lora", "lora"), ("base+lora+x", "lora+x")):
        found = open_model(id, home, base)
        assert found.name == id and found.config() == {"model_type": "llama"}
        gap = found.load(f"{NAME}.weight").double() - base.load(f"{NAME}.weight").double()
        assert torch.allclose(gap, exact(home, adapter), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("lora", "'lora' is a change of a base, and the recipe names none"),
        ("d.safetensors", "there is no file"),
        ("base+nothing", "there is no folder"),
        ("nothing+lora", "there is no folder .*nothing'"),
        ("+lora", "there is no folder"),
        ("lora+", "there is no folder"),
    ],
)
def test_ids_that_name_nothing_are_refused(home: Path, id: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        open_model(id, home)


def test_extract_then_merge_then_diagnose(home: Path, capsys: Any) -> None:
    out = home / "d.safetensors"
    given = ["extract", "--base", str(home / "base"), "--out", str(out), "--json"]
    expert = ["--expert", f"{home}/base+{home}/lora", "--rank", "2"]
    assert main([*given, *expert]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tensors"] == 1 and told["size"] == out.stat().st_size and told["loss"] < 1e-6
    recipe = home / "recipe.yaml"
    recipe.write_text(
        f"{HEAD}base: base\nexperts: [{{delta: d.safetensors}}, {{adapter: lora, weight: -1}}]\n"
    )
    assert main(["merge", str(recipe), "--out", str(home / "out"), "--device", "cpu"]) == 0
    base = load_file(home / "base" / "model.safetensors")
    for name, tensor in weights(home / "out").items():
        assert torch.allclose(tensor, base[name], rtol=1e-5, atol=1e-5)
    capsys.readouterr()
    assert main(["plan", str(recipe), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["merged"] == 6
    assert main(["diagnose", str(recipe), "--json"]) == 0
    shares = json.loads(capsys.readouterr().out)["experts"]
    assert {e: s["kept"]["value"] for e, s in shares.items()} == pytest.approx(
        dict.fromkeys(shares, 1.0)
    )


@pytest.mark.parametrize("how", [[], ["--rank", "2", "--bits", "4"], ["--density", "2"]])
def test_extract_is_told_one_way_to_store(home: Path, capsys: Any, how: list[str]) -> None:
    given = ["--base", str(home / "base"), "--expert", str(home / "full")]
    assert main(["extract", *given, "--out", str(home / "d.safetensors"), *how]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and ("Give one of" in error or "density is 2" in error)
    assert not (home / "d.safetensors").exists()


def test_as_adapter_wants_adapters_only(home: Path, capsys: Any) -> None:
    recipe = home / "recipe.yaml"
    recipe.write_text(f"{HEAD}base: base\nexperts: [{{adapter: lora}}, {{model: full}}]\n")
    assert main(["merge", str(recipe), "--out", str(home / "o"), "--as-adapter", "2"]) == 1
    assert "'full' is none over the recipe's own base" in capsys.readouterr().err
