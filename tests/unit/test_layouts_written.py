"""Merges of folders with modules in folders of their own are written in the same layout."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import quiet, row
from safetensors.torch import load_file, save_file
from tiny_models import saved, tiny

from merging.checkpoints import open_folder
from merging.checkpoints.layouts import Home
from merging.cli import main
from merging.engine import make_plan
from merging.engine.commit import commit
from merging.engine.shards import Slot, index_texts, lay_out
from merging.engine.writer import FolderWriter
from merging.errors import CompatibilityError
from merging.recipe import make_recipe

UNET = "diffusion_pytorch_model.safetensors"


def merge(root: Path, capsys: Any) -> Path:
    """``one`` and ``two``, averaged by the command line."""
    path = root / "recipe.yaml"
    path.write_text("format: merge-explorer/1\nexperts: [one, two]\nmethod: linear\n")
    assert main(["merge", str(path), "--out", str(root / "out"), "--quiet"]) == 0
    assert "all there and finite" in capsys.readouterr().out
    return root / "out"


def sentences(root: Path, name: str, seed: int, first: str) -> None:
    """A BERT with a pooling and a dense module, as sentence-transformers writes it."""
    import transformers

    quiet()
    folder = root / name
    inside = folder / first
    about = tiny("bert").config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: Any = transformers.BertModel(about)
    saved(made, inside)
    (inside / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    (inside / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "config.json").write_text('{"in_features": 2}')
    save_file({"linear.weight": row(seed, 2)}, folder / "2_Dense" / "model.safetensors")
    entries = [{"idx": i, "path": p} for i, p in enumerate((first, "1_Pooling", "2_Dense"))]
    (folder / "modules.json").write_text(json.dumps(entries))


@pytest.mark.parametrize("first", ["", "0_Transformer"])
def test_modules_of_sentence_transformers_are_merged_where_they_lie(
    first: str, tmp_path: Path, capsys: Any
) -> None:
    import transformers

    sentences(tmp_path, "one", 1, first)
    sentences(tmp_path, "two", 3, first)
    out = merge(tmp_path, capsys)
    dense = load_file(out / "2_Dense" / "model.safetensors")
    assert {n: t.tolist() for n, t in dense.items()} == {"linear.weight": [2.0, 2.0]}
    one, two = (load_file(tmp_path / n / first / "model.safetensors") for n in ("one", "two"))
    state = transformers.BertModel.from_pretrained(out / first).state_dict()
    assert set(one) == set(load_file(out / first / "model.safetensors"))
    for name, tensor in one.items():
        assert torch.allclose(state[name], (tensor + two[name]) / 2, atol=1e-6), name
    for name in ("modules.json", "1_Pooling/config.json", "2_Dense/config.json"):
        assert (out / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    for name in ("vocab.txt", "sentence_bert_config.json"):
        assert (out / first / name).read_bytes() == (tmp_path / "one" / first / name).read_bytes()
    assert "library_name: sentence-transformers" in (out / "README.md").read_text()
    assert open_folder(out).tensors() == open_folder(tmp_path / "one").tensors()


def pipeline(root: Path, name: str, value: float) -> None:
    """A pipeline of a net, a text encoder, a tokenizer and a scheduler."""
    folder = root / name
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
    }
    for place in ("unet", "text_encoder", "tokenizer", "scheduler"):
        (folder / place).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps(index))
    numbers = {f"down_blocks.{i}.weight": row(value, value + i) for i in range(3)}
    save_file(numbers, folder / "unet" / UNET)
    save_file({"w": row(value)}, folder / "text_encoder" / "model.safetensors")
    for place in ("unet", "text_encoder"):
        (folder / place / "config.json").write_text(json.dumps({"_class_name": place}))
    (folder / "tokenizer" / "vocab.json").write_text('{"a": 0}')
    (folder / "tokenizer" / "merges.txt").write_text("#")
    (folder / "scheduler" / "scheduler_config.json").write_text('{"steps": 5}')
    (folder / "unet" / "evil.py").write_text("")


def test_a_pipeline_of_diffusers_keeps_its_components(tmp_path: Path, capsys: Any) -> None:
    pipeline(tmp_path, "one", 1.0)
    pipeline(tmp_path, "two", 3.0)
    out = merge(tmp_path, capsys)
    text = load_file(out / "text_encoder" / "model.safetensors")
    assert text["w"].tolist() == [2.0]
    net = load_file(out / "unet" / UNET)
    assert {n: t.tolist() for n, t in net.items()} == {
        f"down_blocks.{i}.weight": [2.0, 2.0 + i] for i in range(3)
    }
    same = ["model_index.json", "scheduler/scheduler_config.json"]
    same += [f"{place}/config.json" for place in ("unet", "text_encoder")]
    for name in (*same, "tokenizer/vocab.json", "tokenizer/merges.txt"):
        assert (out / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name
    assert not list(out.glob("*.safetensors")) + list(out.glob("**/*.py"))
    assert not (out / "config.json").exists()


def test_shards_of_a_component_lie_in_its_folder(tmp_path: Path) -> None:
    pipeline(tmp_path, "one", 1.0)
    pipeline(tmp_path, "two", 3.0)
    models = {n: open_folder(tmp_path / n, n) for n in ("one", "two")}
    plan = make_plan(make_recipe("linear", list(models)), None, models)
    commit(plan, tmp_path / "out", device="cpu", shard_bytes=8)
    made = open_folder(tmp_path / "out")
    assert len(list((tmp_path / "out" / "unet").glob("*-of-00003.safetensors"))) == 3
    index = json.loads((tmp_path / "out" / "unet" / f"{UNET}.index.json").read_text())
    assert set(index["weight_map"]) == {f"down_blocks.{i}.weight" for i in range(3)}
    assert made.load("unet.down_blocks.2.weight").tolist() == [2.0, 4.0]
    assert made.load("text_encoder.w").tolist() == [2.0]


HOMES = (Home("", "model.safetensors"), Home("a.", "a/x.safetensors"), Home("a.b.", "b/y.sft"))


def test_each_tensor_goes_to_the_module_with_the_longest_prefix() -> None:
    slots = [Slot(n, torch.float32, (1,)) for n in ("a.w", "a.b.w", "w", "a.v")]
    shards = lay_out(slots, 4, {}, HOMES)
    assert [(s.name, [slot.name for slot in s.slots]) for s in shards] == [
        ("a/x-00001-of-00002.safetensors", ["a.w"]),
        ("a/x-00002-of-00002.safetensors", ["a.v"]),
        ("b/y.sft", ["a.b.w"]),
        ("model.safetensors", ["w"]),
    ]
    texts = index_texts(shards)
    assert list(texts) == ["a/x.safetensors.index.json"]
    assert json.loads(texts["a/x.safetensors.index.json"])["weight_map"] == {
        "w": "x-00001-of-00002.safetensors",
        "v": "x-00002-of-00002.safetensors",
    }
    with pytest.raises(CompatibilityError, match="'w' is of none of the model's modules"):
        lay_out(slots, 4, {}, HOMES[1:])


def test_an_interrupted_run_goes_on_from_modules_that_were_finished(tmp_path: Path) -> None:
    slots = [Slot("a.w", torch.float32, (2,)), Slot("w", torch.float32, (2,))]
    first = FolderWriter(tmp_path / "out", slots, "key", homes=HOMES)
    first.write("a.w", 0, row(1, 2))
    first._gone = True  # the process dies here: its lock goes, its files stay
    first._disk.join()
    first._claim.release()
    with FolderWriter(tmp_path / "out", slots, "key", homes=HOMES) as second:
        assert second.done == {"a.w"}
        second.write("w", 0, row(3, 4))
        second.finish({"a/config.json": "{}"})
    assert load_file(tmp_path / "out" / "a" / "x.safetensors")["w"].tolist() == [1.0, 2.0]
    assert sorted(p.name for p in (tmp_path / "out").rglob("*")) == [
        "a", "config.json", "model.safetensors", "x.safetensors",
    ]  # fmt: skip
    third = FolderWriter(tmp_path / "other", slots, "key", homes=HOMES)
    third.write("a.w", 0, row(1, 2))
    third.abandon()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
