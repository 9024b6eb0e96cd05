"""Recipes as people publish them, run by mergekit 0.1.5 and by us on a tiny Llama."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file
from torch import Tensor

from merging.cli.models import open_models
from merging.engine import make_plan, run
from merging.recipe import parse_mergekit
from merging.recipe.mergekit import write_mergekit
from tests.cross.tools import other_side, save_models, written
from tests.published import DRAWN, RECIPES

LAYERS = 4


@pytest.fixture(scope="session")
def folder(other_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models, and what mergekit made of each recipe and of its export."""
    folder = tmp_path_factory.mktemp("published")
    save_models(_model, folder)
    jobs = []
    for number, (name, text) in enumerate(RECIPES.items()):
        for kind, said in (("as is", text), ("exported", write_mergekit(parse_mergekit(text)))):
            config = _placed(yaml.safe_load(said), folder)
            out = folder / f"{kind}-{number}"
            jobs.append({"id": f"{kind} {name}", "kind": "mergekit", "config": config,
                         "out": str(out)})  # fmt: skip
    (folder / "jobs.json").write_text(json.dumps(jobs))
    other_side(other_python, "other_side.py", folder / "jobs.json")
    return folder


def _model() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=LAYERS, num_attention_heads=2,
        num_key_value_heads=1, intermediate_size=24, max_position_embeddings=32,
    ))  # fmt: skip


def _placed(data: Any, folder: Path) -> Any:
    """The configuration with models named by their folders."""
    if isinstance(data, list):
        return [_placed(entry, folder) for entry in data]
    if not isinstance(data, dict):
        return data
    return {
        key: str(folder / value) if key in ("model", "base_model") else _placed(value, folder)
        for key, value in data.items()
    }


def theirs(folder: Path, kind: str, name: str) -> dict[str, Tensor]:
    done = json.loads((folder / "done.json").read_text())[f"{kind} {name}"]
    assert not done, done
    number = list(RECIPES).index(name)
    return written(folder / f"{kind}-{number}")


def ours(folder: Path, name: str) -> tuple[dict[str, Tensor], int]:
    recipe = parse_mergekit(RECIPES[name])
    models = open_models(recipe, folder)
    plan = make_plan(recipe, models.base, models.experts)
    layers = plan.reference.config()["num_hidden_layers"]
    return dict(run(plan, device="cpu").tensors), int(layers)


def farthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[n] - t).abs().max() / t.abs().max().clamp_min(1e-9))
               for n, t in other.items())  # fmt: skip


@pytest.mark.parametrize("name", [n for n in RECIPES if n not in DRAWN])
def test_the_same_weights(folder: Path, name: str) -> None:
    found, layers = ours(folder, name)
    given = theirs(folder, "as is", name)
    assert found.keys() == given.keys()
    assert layers == 1 + max(int(n.split(".")[2]) for n in given if ".layers." in n)
    assert farthest(found, given) <= 2e-6
    assert farthest(theirs(folder, "exported", name), given) == 0


def moved(folder: Path, tensors: dict[str, Tensor]) -> Iterator[tuple[float, float]]:
    """Share of changed weights and mean change of large tensors."""
    base = load_file(folder / "base" / "model.safetensors")
    for name, tensor in tensors.items():
        if tensor.numel() >= 256:
            change = tensor - base[name]
            yield float((change != 0).float().mean()), float(change.abs().mean())


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_law(folder: Path, name: str) -> None:
    """Which weights are dropped differs; how many, and how large the change is, does not."""
    mine, given = (list(moved(folder, t)) for t in (ours(folder, name)[0],
                                                   theirs(folder, "as is", name)))  # fmt: skip
    for place in (0, 1):
        one = sum(each[place] for each in mine) / len(mine)
        other = sum(each[place] for each in given) / len(given)
        assert one == pytest.approx(other, rel=0.03)
