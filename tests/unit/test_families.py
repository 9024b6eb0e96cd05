"""Families: every tensor of tiny models in its cell; what no rule knows is said."""

from pathlib import Path

import pytest
import torch
from tiny_models import FAMILIES as TINY
from tiny_models import LAYERS, saved, tiny

from merging.checkpoints import MemoryCheckpoint, open_folder
from merging.checkpoints.buckets import Bucket, bucket_of
from merging.checkpoints.families import GENERAL, cells_of, family_of

DECODER_ONLY = {"q", "k", "v", "o", "gate", "up", "down", "norm"}
TWO_STACKS = {"q", "k", "v", "o", "up", "down", "norm"}
# Family: rows with a number, and modules of its first one.
EXPECTED = {
    "llama": ("L", DECODER_ONLY),
    "qwen2": ("L", DECODER_ONLY),
    "mistral": ("L", DECODER_ONLY),
    "mixtral": ("L", DECODER_ONLY | {"router"}),
    "gpt2": ("L", {"qkv", "o", "up", "down", "norm"}),
    "bert": ("L", TWO_STACKS),
    "vit": ("L", TWO_STACKS),
    "t5": ("ED", TWO_STACKS),
    "clip": ("VT", TWO_STACKS),
    "whisper": ("ED", TWO_STACKS),
}
FOUND = {"qwen2": "qwen"}


@pytest.mark.parametrize("family", TINY)
def test_every_tensor_of_a_family_has_its_cell(family: str, tmp_path: Path) -> None:
    model = open_folder(saved(tiny(family), tmp_path / "m"))
    found = cells_of(model, model.config())
    assert found.family.id == FOUND.get(family, family)
    letters, modules = EXPECTED[family]
    rows = {b.row for b in found.buckets.values()}
    layers = {f"{letter}{i}" for letter in letters for i in range(LAYERS)}
    assert rows - {"Embed", "Final", "Other"} == layers
    for row in layers:
        there = {b.module for b in found.buckets.values() if b.row == row}
        assert there - {"embed", "other"} == modules, row
    assert found.unknown == ()


@pytest.mark.parametrize("family", ["mixtral", "gpt2", "t5", "whisper", "clip", "bert", "llama"])
def test_names_alone_tell_a_family_where_there_is_no_config(family: str, tmp_path: Path) -> None:
    model = open_folder(saved(tiny(family), tmp_path / "m"))
    assert family_of({}, model.tensors()).id == family


def test_an_architecture_nobody_knows_is_said_to_be_read_by_general_rules() -> None:
    model = MemoryCheckpoint("odd", {n: torch.zeros(1) for n in ("zeta.7.w", "layers.0.q_proj.b")})
    found = cells_of(model, {"model_type": "brand-new"})
    assert found.family is GENERAL
    assert found.unknown == ("zeta.7.w",)
    assert found.sentence() == (
        "The model is of no family we know; layers and modules by general rules on names. "
        "1 tensor(s) fit no rule and stand under Other: 'zeta.7.w'."
    )


@pytest.mark.parametrize("said", [None, 7, ["llama"], {"a": 1}])
def test_a_hostile_model_type_is_no_family(said: object) -> None:
    assert family_of({"model_type": said}, ["x"]) is GENERAL


@pytest.mark.parametrize(
    ("name", "row", "module"),
    [
        ("down_blocks.0.resnets.1.conv1.weight", "Down0", "conv"),
        ("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight", "Down1", "q"),
        ("unet.up_blocks.2.attentions.0.transformer_blocks.0.attn2.to_out.0.bias", "Up2", "o"),
        ("unet.mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight", "Mid", "up"),
        ("mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight", "Mid", "down"),
        ("unet.down_blocks.0.resnets.0.norm1.weight", "Down0", "norm"),
        ("unet.conv_in.weight", "Other", "conv"),
        ("unet.time_embedding.linear_1.weight", "Embed", "embed"),
        ("text_encoder.text_model.encoder.layers.3.mlp.fc1.weight", "T3", "up"),
        ("text_encoder_2.text_model.encoder.layers.3.mlp.fc1.weight", "Tb3", "up"),
        ("model.layers.2.mlp.gate.weight", "L2", "router"),
        ("model.layers.2.mlp.experts.gate_up_proj", "L2", "up"),
        ("decoder.block.4.layer.1.EncDecAttention.o.weight", "D4", "o"),
        ("decoder.block.4.layer.2.DenseReluDense.wi_0.weight", "D4", "gate"),
        ("transformer.h.3.attn.c_proj.weight", "L3", "o"),
        ("transformer.h.3.mlp.c_proj.weight", "L3", "down"),
    ],
)
def test_a_name_of_a_family(name: str, row: str, module: str) -> None:
    assert bucket_of(name) == Bucket(row, module)
