"""Adapters of architectures whose modules have other names than the tensors of their files."""

from pathlib import Path
from typing import Any

import pytest
import torch
from made_adapters import factors, write_adapter
from tiny_models import answer, loaded, saved, tiny

from merging.checkpoints.module_names import Names
from merging.cli import main

VIT = [f"vit.layers.{n}.attention.{m}_proj" for n in (0, 1) for m in "qkvo"]
VIT += [f"vit.layers.1.mlp.fc{n}" for n in (1, 2)]
CASES = {"vit": VIT, "mixtral": ["model.layers.0.mlp.gate", "model.layers.1.self_attn.q_proj"]}


@pytest.mark.parametrize("family", CASES)
def test_an_adapter_over_modules_gives_what_the_modules_give(family: str, tmp_path: Path) -> None:
    saved(tiny(family), tmp_path / "base")
    model: Any = loaded(family, tmp_path / "base")
    before = answer(family, model)
    tensors = {}
    with torch.no_grad():
        for seed, module in enumerate(CASES[family]):
            weight = model.get_parameter(f"{module}.weight")
            made = factors(module, *weight.shape, 2, seed=3 * seed)
            a, b = made.values()
            weight.add_(3 * b @ a)  # alpha 6 over rank 2
            tensors |= made
    write_adapter(tmp_path / "lora", tensors)
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "format: merge-explorer/1\nbase: base\nexperts: [lora]\nmethod: task_arithmetic\n"
        "params: {scale: 1}\n"
    )
    assert main(["merge", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    found = answer(family, loaded(family, tmp_path / "out"))
    assert torch.allclose(found, answer(family, model), atol=1e-4)
    assert not torch.allclose(found, before, atol=1e-2)


def test_names_are_found_and_never_guessed() -> None:
    stored = ["vit.encoder.layer.0.attention.attention.query.weight", "a.b.weight", "c.b.weight"]
    names = Names([*stored, "a.x.mlp.fc1.weight", "model.up.weight"])
    assert names.find("layers.0.attention.q_proj.weight") == stored[0]
    assert names.find("vit.layers.0.attention.q_proj.weight") == stored[0]
    assert names.find("a.b.weight") == "a.b.weight"
    assert names.find("b.weight") is None  # of a or of c
    assert names.find("a.x.mlp.fc1.weight") == "a.x.mlp.fc1.weight"
    assert names.find("up.weight") == names.find("base.model.up.weight") == "model.up.weight"
    assert names.find("vit.layers.1.attention.q_proj.weight") is None
