"""Names of tensors to cells of the layer x module grid."""

import pytest

from merging.checkpoints.buckets import MODULES, Bucket, bucket_of, row_order

NAMES = {
    # Our own and transformers' ViT
    "embeddings.cls_token": ("Embed", "embed"),
    "embeddings.patch_embeddings.projection.weight": ("Embed", "embed"),
    "layers.3.attention.q_proj.weight": ("L3", "q"),
    "layers.0.mlp.fc1.bias": ("L0", "up"),
    "encoder.layer.11.attention.attention.query.weight": ("L11", "q"),
    "encoder.layer.0.attention.attention.key.bias": ("L0", "k"),
    "encoder.layer.0.attention.attention.value.bias": ("L0", "v"),
    "encoder.layer.2.attention.output.dense.weight": ("L2", "o"),
    "encoder.layer.2.intermediate.dense.weight": ("L2", "up"),
    "encoder.layer.2.output.dense.weight": ("L2", "down"),
    "encoder.layer.2.layernorm_before.weight": ("L2", "norm"),
    "layernorm.weight": ("Final", "norm"),
    # Llama
    "model.embed_tokens.weight": ("Embed", "embed"),
    "model.layers.7.self_attn.k_proj.weight": ("L7", "k"),
    "model.layers.7.self_attn.v_proj.weight": ("L7", "v"),
    "model.layers.7.self_attn.o_proj.weight": ("L7", "o"),
    "model.layers.7.mlp.gate_proj.weight": ("L7", "gate"),
    "model.layers.7.mlp.up_proj.weight": ("L7", "up"),
    "model.layers.7.mlp.down_proj.weight": ("L7", "down"),
    "model.layers.7.input_layernorm.weight": ("L7", "norm"),
    "model.norm.weight": ("Final", "norm"),
    # GPT-2 and T5
    "wte.weight": ("Embed", "embed"),
    "h.5.attn.c_attn.weight": ("L5", "qkv"),
    "h.5.mlp.c_fc.weight": ("L5", "up"),
    "h.5.ln_1.weight": ("L5", "norm"),
    "encoder.block.1.layer.0.SelfAttention.q.weight": ("E1", "q"),
    # Nobody's
    "lm_head.weight": ("Other", "other"),
    "logit_scale": ("Other", "other"),
    "": ("Other", "other"),
}


@pytest.mark.parametrize("name", NAMES)
def test_cell_of_a_name(name: str) -> None:
    assert bucket_of(name) == Bucket(*NAMES[name])
    assert bucket_of(name).module in MODULES


def test_rows_stand_in_the_order_data_flows() -> None:
    rows = ["Other", "L10", "Final", "L2", "Embed", "L0"]
    assert sorted(rows, key=row_order) == ["Embed", "L0", "L2", "L10", "Final", "Other"]
    stacks = ["D0", "Up0", "E10", "Mid", "E2", "Final", "Down1", "T0", "V3"]
    flow = ["Down1", "Mid", "Up0", "V3", "T0", "E2", "E10", "D0", "Final"]
    assert sorted(stacks, key=row_order) == flow
