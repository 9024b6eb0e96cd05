"""Folders of sentence-transformers and diffusers, eight-bit floats, and the list of models."""

import json
from pathlib import Path

import pytest
import torch
from builders import row
from safetensors.torch import save_file
from tiny_models import saved, stored, tiny

from merging.checkpoints import list_models, open_folder
from merging.engine import make_plan, run
from merging.errors import SourceError, UnknownNameError
from merging.recipe import make_recipe


def part(folder: Path, name: str, **tensors: torch.Tensor) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / name)
    return folder


def listed(folder: Path, *paths: str) -> Path:
    folder.mkdir(exist_ok=True)
    entries = [{"idx": i, "name": str(i), "path": p, "type": "x"} for i, p in enumerate(paths)]
    (folder / "modules.json").write_text(json.dumps(entries))
    return folder


@pytest.mark.parametrize("first", ["", "0_Transformer"])
def test_sentence_transformers_with_a_dense_module(first: str, tmp_path: Path) -> None:
    folder = listed(tmp_path / "st", first, "1_Pooling", "2_Dense")
    model = saved(tiny("bert"), folder / first)
    (folder / "1_Pooling").mkdir()
    part(folder / "2_Dense", "model.safetensors", **{"linear.weight": row(1, 2)})
    opened = open_folder(folder)
    assert opened.layout == "sentence-transformers"
    assert opened.config()["model_type"] == "bert"
    expected = stored(model) | {"2_Dense.linear.weight": row(1, 2)}
    assert opened.tensors().keys() == expected.keys()
    assert all(torch.equal(opened.load(n), t) for n, t in expected.items())


def test_diffusers_names_each_component(tmp_path: Path) -> None:
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "safety_checker": [None, None],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "tokenizer").mkdir()
    part(tmp_path / "unet", "diffusion_pytorch_model.safetensors", w=row(1))
    part(tmp_path / "text_encoder", "model.safetensors", w=row(2))
    opened = open_folder(tmp_path)
    assert {n: opened.load(n).item() for n in opened.tensors()} == {
        "unet.w": 1.0,
        "text_encoder.w": 2.0,
    }
    assert opened.config()["_class_name"] == "StableDiffusionPipeline"
    alone = open_folder(tmp_path / "unet")
    assert (alone.layout, set(alone.tensors())) == ("diffusers", {"w"})


def test_shards_of_a_component_must_be_complete(tmp_path: Path) -> None:
    name = "diffusion_pytorch_model.safetensors"
    (tmp_path / "model_index.json").write_text('{"unet": ["diffusers", "UNet"]}')
    part(tmp_path / "unet", "a.safetensors", w=row(1))
    index = {"weight_map": {"w": "a.safetensors", "gone": "a.safetensors"}}
    (tmp_path / "unet" / f"{name}.index.json").write_text(json.dumps(index))
    with pytest.raises(SourceError, match="says that 'gone' is in"):
        open_folder(tmp_path)


@pytest.mark.parametrize("path", ["../other", "a/b", "..", ".", 3, None, ["x"]])
def test_modules_outside_the_folder_are_refused(path: object, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([{"path": path}]))
    with pytest.raises(SourceError, match="which is a path"):
        open_folder(tmp_path, "mine")


@pytest.mark.parametrize("text", ["{}", "[1]", "[", "null"])
def test_a_list_of_modules_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(text)
    with pytest.raises(SourceError, match=r"modules\.json"):
        open_folder(tmp_path, "mine")


def test_a_component_with_a_variant_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"unet": ["diffusers", "UNet"]}')
    part(tmp_path / "unet", "diffusion_pytorch_model.fp16.safetensors", w=row(1))
    with pytest.raises(SourceError, match="a variant: save it again without one"):
        open_folder(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bit_floats_are_read_as_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    source = torch.Generator().manual_seed(1)
    values = {n: torch.randn(3, 5, generator=source).to(dtype) for n in ("base", "one", "two")}
    models = {n: open_folder(part(tmp_path / n, "model.safetensors", w=values[n])) for n in values}
    wide = {n: v.float() for n, v in values.items()}
    assert models["one"].tensors()["w"].dtype == torch.float32
    assert torch.equal(models["one"].load("w"), wide["one"])
    with models["one"].opened() as files:
        assert torch.equal(files.run("w", 4, 9), wide["one"].flatten()[4:9])
    recipe = make_recipe("task_arithmetic", ["one", "two"], base="base", params={"scale": 1})
    merged = run(make_plan(recipe, models["base"], models), device="cpu").tensors["w"]
    assert torch.allclose(merged, wide["one"] + wide["two"] - wide["base"], atol=1e-6)


def test_eight_bit_floats_longer_than_a_piece(tmp_path: Path) -> None:
    long = torch.linspace(-9, 9, (1 << 20) + 77).to(torch.float8_e4m3fn)
    opened = open_folder(part(tmp_path / "m", "model.safetensors", w=long))
    assert torch.equal(opened.load("w"), long.float())


def test_eight_bit_floats_with_scales_are_refused(tmp_path: Path) -> None:
    tensors = {"w": row(1, 2).to(torch.float8_e4m3fn), "w_scale_inv": row(2)}
    with pytest.raises(SourceError, match="eight bits with scales in 'w_scale_inv'"):
        open_folder(part(tmp_path / "m", "model.safetensors", **tensors))


def test_models_are_listed_by_name_and_nothing_else_can_be_asked_for(tmp_path: Path) -> None:
    root, outside = tmp_path / "models", part(tmp_path / "secret", "model.safetensors", w=row(1))
    part(root / "llama", "model.safetensors", w=row(1))
    part(root / "org" / "bert", "model.safetensors", w=row(1))
    part(root / ".hidden", "model.safetensors", w=row(1))
    part(root / "a" / "b" / "c" / "d", "model.safetensors", w=row(1))
    (root / "lora").mkdir()
    (root / "lora" / "adapter_config.json").write_text("{}")
    (root / "org" / "tuned.delta.safetensors").write_bytes(b"")
    (root / "away").symlink_to(outside)
    (root / "round").symlink_to(root)
    (root / "notes.txt").write_text("")
    found = list_models(root)
    names = {e.name: e.kind for e in found.entries}
    assert names == {
        "llama": "model",
        "lora": "adapter",
        "org/bert": "model",
        "org/tuned.delta.safetensors": "delta",
    }
    assert not found.cut
    assert found.path("org/bert") == root / "org" / "bert"
    for name in ("../secret", "away", str(outside), "org", "", "org/../../secret"):
        with pytest.raises(UnknownNameError):
            found.path(name)


def test_a_listed_model_that_became_a_link_outwards_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "models"
    part(root / "m", "model.safetensors", w=row(1))
    found = list_models(root)
    (root / "m").rename(tmp_path / "moved")
    (root / "m").symlink_to(tmp_path / "moved")
    with pytest.raises(SourceError, match="no longer there"):
        found.path("m")


def test_a_long_list_is_cut_and_says_so(tmp_path: Path) -> None:
    for number in range(501):
        (tmp_path / f"{number:04}").mkdir()
        (tmp_path / f"{number:04}" / "adapter_config.json").write_text("{}")
    found = list_models(tmp_path)
    assert (len(found.entries), found.cut) == (500, True)


def test_no_folder_of_models(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Set MODELS_DIR"):
        list_models(tmp_path / "none")
