"""The change of outputs on neutral inputs: closed forms, and tiny models of several kinds."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTModel,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from merging.analysis.representation import linear_cka
from merging.checkpoints import open_folder
from merging.errors import Cancelled, EvaluationError
from merging.evaluation.change import SENTENCES, Outputs, change, neutral_inputs, outputs, patterns
from merging.evaluation.own_models import OpenedModel, model_of, open_model

SMALL = {"vocab_size": 60, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
LLAMA = LlamaConfig(**SMALL, num_attention_heads=2, num_key_value_heads=1)
MADE = {
    "llama": lambda: LlamaForCausalLM(LLAMA),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=60, n_embd=16, n_layer=2, n_head=2)),
    "bert": lambda: BertForSequenceClassification(
        BertConfig(**SMALL, num_attention_heads=2, num_labels=3)
    ),
    "t5": lambda: T5ForConditionalGeneration(
        T5Config(vocab_size=60, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2)
    ),
    "vit": lambda: ViTModel(
        ViTConfig(
            hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
            image_size=16, patch_size=8,
        )
    ),
}  # fmt: skip


def made(kind: str, seed: int = 0) -> OpenedModel:
    torch.manual_seed(seed)
    model = MADE[kind]()
    config = {**model.config.to_dict(), "architectures": [type(model).__name__]}
    weights = {n: t.clone() for n, t in model.state_dict().items()}
    for tied in ("lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
        if kind in ("gpt2", "t5"):
            weights.pop(tied, None)
    return model_of(kind, config, weights)


@pytest.mark.parametrize("kind", list(MADE))
def test_a_model_is_like_itself_and_less_like_another(kind: str) -> None:
    mine, same, other = (outputs(made(kind, seed)) for seed in (0, 0, 1))
    assert len(mine.layers) == 3 and all(layer.shape == (12, 16) for layer in mine.layers)
    itself, apart = change(mine, same), change(mine, other)
    assert itself.alike == pytest.approx((1.0,) * 3)
    assert all(one < 0.999 for one in apart.alike)
    if kind == "vit":
        assert itself.divergence is None and mine.logits is None
    else:
        assert itself.divergence == 0 and apart.divergence is not None and apart.divergence > 1e-5


def test_divergence_is_the_mean_of_both_directions() -> None:
    p, q = torch.tensor([[0.5, 0.5], [0.9, 0.1]]), torch.tensor([[0.25, 0.75], [0.9, 0.1]])
    layer = (torch.eye(4),)
    found = change(Outputs(layer, p.log()), Outputs(layer, q.log()))
    forth = 0.5 * torch.log(torch.tensor(2.0)) + 0.5 * torch.log(torch.tensor(2 / 3))
    back = 0.25 * torch.log(torch.tensor(0.5)) + 0.75 * torch.log(torch.tensor(1.5))
    assert found.divergence == pytest.approx(float(forth + back) / 2 / 2, rel=1e-5)


def test_alike_is_linear_cka_layer_by_layer() -> None:
    torch.manual_seed(3)
    a, b = torch.randn(12, 5), torch.randn(12, 7)
    found = change(Outputs((a, a), None), Outputs((b, 3 * a), None))
    assert found.alike == pytest.approx((float(linear_cka(a, b)), 1.0))
    with pytest.raises(EvaluationError, match="2 layers of hidden states, the other 1"):
        change(Outputs((a, a), None), Outputs((b,), None))


def test_heads_with_other_classes_have_no_divergence() -> None:
    layer = (torch.eye(4),)
    found = change(Outputs(layer, torch.zeros(2, 3)), Outputs(layer, torch.zeros(2, 4)))
    assert found.divergence is None


def test_padding_counts_nowhere(tmp_path: Path) -> None:
    """Padded beside longer sentences or asked alone: the same states and rows."""
    words = {w: i for i, w in enumerate(sorted({w for s in SENTENCES for w in s.split()}))}
    tokenizer = Tokenizer(WordLevel({**words, "?": len(words)}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    one = made("bert")
    opened = OpenedModel(one.name, one.model, one.config, tokenizer)
    with pytest.raises(EvaluationError, match="They do not belong together"):
        neutral_inputs(opened)  # more words than the vocabulary of 60
    short = Tokenizer(WordLevel({w: i % 60 for w, i in words.items()} | {"?": 59}, unk_token="?"))
    short.pre_tokenizer = Whitespace()
    opened = OpenedModel(one.name, one.model, one.config, short)
    inputs = neutral_inputs(opened)
    lengths = inputs["attention_mask"].sum(1)
    assert lengths.min() < lengths.max()
    found = outputs(opened)
    alone = (
        one.model(input_ids=inputs["input_ids"][:1, : lengths[0]], output_hidden_states=True)
        .hidden_states[-1]
        .mean(1)
    )
    torch.testing.assert_close(found.layers[-1][:1], alone, rtol=1e-4, atol=1e-5)


def test_patterns_are_fixed_and_bounded() -> None:
    found = patterns(3, 16)
    assert found.shape == (12, 3, 16, 16) and found.abs().max() <= 1
    assert torch.equal(found, patterns(3, 16)) and torch.equal(found[:, 0], found[:, 2])
    assert len({tuple(one.flatten().tolist()) for one in found}) == 12


def test_a_folder_is_opened_with_its_tokenizer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MADE["llama"]()
    save_file({n: t.half() for n, t in model.state_dict().items()}, tmp_path / "model.safetensors")
    config = {**model.config.to_dict(), "architectures": ["LlamaForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    opened = open_model(open_folder(tmp_path))
    assert opened.tokenizer is None
    assert {t.dtype for t in opened.model.parameters()} == {torch.float32}
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(EvaluationError, match=r"cannot read tokenizer.json"):
        open_model(open_folder(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architectures": ["os.system"]}, "must name a class of models"),
        ({"architectures": ["AutoModel"]}, "must name a class of models"),
        ({"architectures": None}, "architectures is None"),
        ({"model_type": "bert"}, "model_type is 'bert', but LlamaForCausalLM is of type 'llama'"),
        ({"hidden_size": 8}, r"embed_tokens.weight is \(60, 16\), but its config makes it"),
        ({"num_hidden_layers": 3}, "missing_keys"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, but the model has"),
        ({"num_hidden_layers": 20}, "most weights that its config asks for are missing"),
        ({"num_attention_heads": 0}, "cannot be built from its config"),
    ],
)
def test_configs_that_lie(changes: dict, said: str) -> None:
    opened = made("llama")
    weights = opened.model.state_dict()
    with pytest.raises(EvaluationError, match=said):
        model_of("x", {**opened.config, **changes}, weights)


def test_a_model_that_hears_has_no_neutral_inputs() -> None:
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=60, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    with pytest.raises(EvaluationError, match="no neutral inputs for model_type 'whisper'"):
        neutral_inputs(OpenedModel("ear", model, config.to_dict()))


def test_cancel_goes_through() -> None:
    def stop(fraction: float, message: str) -> None:
        raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        outputs(made("llama"), stop)
