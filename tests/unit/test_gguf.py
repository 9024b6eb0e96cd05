"""GGUF: read back by hand, by transformers' own reader, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from builders import quiet
from safetensors.torch import load_file, save_file

from merging.cli import main
from merging.errors import CompatibilityError, ResourceError, SourceError
from merging.export.gguf_names import llama3_factors, reordered
from merging.export.gguf_tokens import SPLITS, Tokens, read_tokens
from merging.export.gguf_write import KINDS, Kind, bound, write_gguf

SIZE: dict[str, Any] = {
    "vocab_size": 24, "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 96,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
}  # fmt: skip


def model(kind: str, **more: Any) -> Any:
    import transformers as t

    known = {
        "llama": (t.LlamaForCausalLM, t.LlamaConfig),
        "mistral": (t.MistralForCausalLM, t.MistralConfig),
        "qwen2": (t.Qwen2ForCausalLM, t.Qwen2Config),
    }
    built, config = known[kind]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made: Any = built(config(**SIZE | more))
        for name, weight in made.named_parameters():
            if name.endswith(("bias", "norm.weight")):  # transformers begins with zeros and ones
                torch.nn.init.normal_(weight, 1.0, 0.5)
    return made


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    quiet()
    yield


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    model("llama").save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


def fields(file: Path) -> dict[str, Any]:
    return {n: f.contents() for n, f in gguf.GGUFReader(file).fields.items()}


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize("tied", [False, True])
def test_transformers_reads_the_same_model(kind: str, tied: bool, tmp_path: Path) -> None:
    """Its reader turns names and rows back on its own: every weight must come back."""
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    made = model(kind, tie_word_embeddings=tied)
    made.save_pretrained(tmp_path / "m")
    done = write_gguf(tmp_path / "m", "f32", tmp_path / "x.gguf")
    assert done.worst == 0.0
    reader = model("qwen2" if kind == "qwen2" else "llama")  # in GGUF a Mistral is a Llama
    again = load_gguf_checkpoint(str(done.file), return_tensors=True, model_to_load=reader)
    want = load_file(tmp_path / "m" / "model.safetensors")
    assert ("lm_head.weight" in want) != tied
    assert again["tensors"].keys() == want.keys()
    assert all(torch.equal(again["tensors"][n], t) for n, t in want.items())
    read = again["config"]
    for name in ("hidden_size", "num_hidden_layers", "num_key_value_heads", "vocab_size"):
        assert read[name] == SIZE[name]
    assert read["tie_word_embeddings"] == tied


@pytest.mark.parametrize("kind", KINDS)
def test_types_and_their_bounds(kind: Kind, llama: Path, tmp_path: Path) -> None:
    done = write_gguf(llama, kind, tmp_path / "x.gguf")
    stored = {t.name: t for t in gguf.GGUFReader(done.file).tensors}
    assert stored["blk.1.ffn_up.weight"].tensor_type.name == kind.upper()
    assert stored["blk.0.attn_norm.weight"].tensor_type.name == "F32"
    want = load_file(llama / "model.safetensors")["model.layers.1.mlp.up_proj.weight"].numpy()
    one = stored["blk.1.ffn_up.weight"]
    found = gguf.dequantize(one.data, one.tensor_type)
    gap = np.abs(found - want).max()
    limits = {"f32": 0.0, "f16": 2.0**-11, "bf16": 2.0**-8, "q8_0": 0.51 / 127}
    assert gap <= limits[kind] * np.abs(want).max()
    assert (gap == 0) == (kind == "f32")
    assert done.bytes == done.file.stat().st_size and done.tensors == len(stored) == 21


def test_metadata(tmp_path: Path) -> None:
    made = model("llama", rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 5e5})
    made.save_pretrained(tmp_path / "m")
    told = fields(write_gguf(tmp_path / "m", "q8_0", tmp_path / "x.gguf").file)
    want = {
        "general.architecture": "llama", "general.file_type": 7, "llama.context_length": 64,
        "llama.embedding_length": 64, "llama.block_count": 2, "llama.feed_forward_length": 96,
        "llama.attention.head_count": 4, "llama.attention.head_count_kv": 2,
        "llama.rope.dimension_count": 16, "llama.rope.freq_base": 5e5, "llama.vocab_size": 24,
        "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0,
    }  # fmt: skip
    assert {n: told[n] for n in want} == want
    assert told["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)


def test_rows_of_queries_by_hand() -> None:
    """One head of six rows: i and i + 3 become neighbours."""
    rows = np.arange(12.0).reshape(12, 1)
    config = {"model_type": "llama", "num_attention_heads": 2, "num_key_value_heads": 1}
    name = "model.layers.0.self_attn.{}_proj.weight"
    found = reordered(name.format("q"), rows, config).ravel().tolist()
    assert found == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]
    found = reordered(name.format("k"), rows, config).ravel().tolist()
    assert found == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]
    assert reordered(name.format("v"), rows, config) is rows
    assert reordered(name.format("q"), rows, {**config, "model_type": "qwen2"}) is rows
    with pytest.raises(CompatibilityError, match="10 rows"):
        reordered(name.format("q"), rows[:10], config)


def test_llama3_factors_are_those_of_transformers() -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = {
        "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
    }  # fmt: skip
    config = LlamaConfig(**{**SIZE, "hidden_size": 256}, rope_parameters=rope)
    theirs, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    plain = 5e5 ** -(np.arange(0, 64, 2) / 64)
    assert np.allclose(plain / llama3_factors(rope, 64), theirs.numpy(), rtol=1e-5)


def test_bounds_hold_and_are_tight() -> None:
    values = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).numpy()
    for kind in ("f16", "bf16", "q8_0"):
        raw = gguf.GGMLQuantizationType[kind.upper()]
        gap = np.abs(gguf.dequantize(gguf.quantize(values, raw), raw).reshape(64, 64) - values)
        limit = bound(values, kind)
        assert (gap <= limit).all() and (gap / limit).max() > 0.9


TOKENIZER = {
    "model": {
        "type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": ["a b", ["Ġ", "a"]],
    },
    "pre_tokenizer": {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": next(iter(SPLITS))}}, {"type": "ByteLevel"},
        ],
    },
    "added_tokens": [{"id": 4, "content": "<s>", "special": True}, {"id": 5, "content": "hi"}],
}  # fmt: skip


def test_a_byte_level_tokenizer_is_carried(llama: Path, tmp_path: Path) -> None:
    (llama / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    about = {"bos_token": {"content": "<s>"}, "eos_token": "hi", "chat_template": "T"}
    (llama / "tokenizer_config.json").write_text(json.dumps(about))
    done = write_gguf(llama, "f16", tmp_path / "x.gguf")
    told = fields(done.file)
    assert done.notes == ()
    assert told["tokenizer.ggml.tokens"][:7] == ["a", "b", "ab", "Ġ", "<s>", "hi", "[PAD6]"]
    assert told["tokenizer.ggml.token_type"][:7] == [1, 1, 1, 1, 3, 4, 5]
    assert len(told["tokenizer.ggml.tokens"]) == 24
    assert told["tokenizer.ggml.merges"] == ["a b", "Ġ a"]
    assert told["tokenizer.ggml.model"] == "gpt2" and told["tokenizer.ggml.pre"] == "llama-bpe"
    assert told["tokenizer.ggml.bos_token_id"] == 4 and told["tokenizer.ggml.eos_token_id"] == 5
    assert told["tokenizer.chat_template"] == "T"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": {"type": "Unigram"}}, "no byte-level BPE"),
        ({"model": {**TOKENIZER["model"], "byte_fallback": True}}, "no byte-level BPE"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "cuts texts in a way"),
        ({"added_tokens": [{"id": 24, "content": "x"}]}, "embedding of 24 rows"),
        ({"added_tokens": [{"id": -1, "content": "x"}]}, "embedding of 24 rows"),
        ({"added_tokens": 7}, "not understood"),
        ({"model": None}, "not understood"),
    ],
)
def test_other_tokenizers_are_told(change: dict[str, Any], why: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({**TOKENIZER, **change}))
    found = read_tokens(tmp_path, 24)
    assert not isinstance(found, Tokens) and why in found


# --- Refused --------------------------------------------------------------------------------------


def with_config(folder: Path, **entries: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    return folder


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"model_type": "bert"}, "written for llama, mistral, qwen2 models; this one is 'bert'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "stretches positions by 'yarn'"),
        ({"num_attention_heads": 0}, "num_attention_heads = 0"),
        ({"max_position_embeddings": "x"}, "max_position_embeddings = 'x'"),
        ({"rms_norm_eps": -1}, "rms_norm_eps = -1"),
    ],
)
def test_models_that_cannot_be_written(
    entries: dict[str, Any], said: str, llama: Path, tmp_path: Path
) -> None:
    with pytest.raises(CompatibilityError, match=said):
        write_gguf(with_config(llama, **entries), "f32", tmp_path / "x.gguf")
    assert [p.name for p in tmp_path.iterdir()] == ["llama"]


@pytest.mark.parametrize("value", [70000.0, float("nan")])
def test_a_weight_that_does_not_fit(value: float, llama: Path, tmp_path: Path) -> None:
    weights = load_file(llama / "model.safetensors")
    weights["lm_head.weight"][0, 0] = value
    save_file(weights, llama / "model.safetensors", {"format": "pt"})
    with pytest.raises(CompatibilityError, match=r"'lm_head.weight' holds .*f16 cannot hold"):
        write_gguf(llama, "f16", tmp_path / "x.gguf")
    assert [p.name for p in tmp_path.iterdir()] == ["llama"]


def test_a_tensor_without_a_name(llama: Path, tmp_path: Path) -> None:
    weights = load_file(llama / "model.safetensors")
    save_file({**weights, "extra": torch.ones(1)}, llama / "model.safetensors", {"format": "pt"})
    with pytest.raises(CompatibilityError, match="'extra' is no tensor of a llama"):
        write_gguf(llama, "f32", tmp_path / "x.gguf")


@pytest.mark.parametrize("name", ["lm_head.weight", "model.layers.1.mlp.up_proj.weight"])
def test_a_tensor_that_is_not_there(name: str, llama: Path, tmp_path: Path) -> None:
    weights = load_file(llama / "model.safetensors")
    del weights[name]
    save_file(weights, llama / "model.safetensors", {"format": "pt"})
    with pytest.raises(CompatibilityError, match=f"has no '{name}'"):
        write_gguf(llama, "f32", tmp_path / "x.gguf")


def test_layers_that_the_config_does_not_count(llama: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CompatibilityError, match=r"has tensors of 2 layers, and config.json says 1"
    ):
        write_gguf(with_config(llama, num_hidden_layers=1), "f32", tmp_path / "x.gguf")


def test_a_full_disk_leaves_nothing(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensor_data", full)
    with pytest.raises(ResourceError, match="No space left"):
        write_gguf(llama, "f32", tmp_path / "x.gguf")
    assert [p.name for p in tmp_path.iterdir()] == ["llama"]


def test_the_command_line(llama: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "x.gguf"
    assert main(["gguf", str(llama), "--type", "f32", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "21 tensors" in said and "read back and compared: exactly" in said
    assert "The tokenizer is not carried" in said
    assert main(["gguf", str(llama), "--out", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(SourceError, match="exists already"):
        write_gguf(llama, "f32", out)
