"""Expert averaging: a tiny Mixtral becomes a Mistral that computes what its weights say."""

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import MemoryCheckpoint, quiet, row
from safetensors.torch import load_file
from torch import Tensor

from merging.checkpoints import open_folder
from merging.engine import make_plan, run
from merging.engine.output import write_model
from merging.errors import CompatibilityError, ParameterError
from merging.methods.mixture import average, shares_of
from merging.recipe import make_recipe

EXPERTS = 4
MLP = "model.layers.1.mlp"
TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Mixtral of two layers, saved as transformers saves it."""
    from transformers import MixtralConfig, MixtralForCausalLM

    quiet()
    folder = tmp_path_factory.mktemp("mixtral")
    size: dict[str, Any] = {
        "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "num_local_experts": EXPERTS,
        "max_position_embeddings": 64, "initializer_range": 0.3,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        MixtralForCausalLM(MixtralConfig(**size)).save_pretrained(folder)
    return folder


def convert(folder: Path, out: Path, **params: Any) -> Any:
    """Merge as the command line does and load the result as transformers does."""
    from transformers import MistralForCausalLM

    model = open_folder(folder, "mixtral")
    recipe = make_recipe("expert_averaging", ["mixtral"], params=params)
    outcome = run(make_plan(recipe, None, {"mixtral": model}), device="cpu")
    write_model(outcome, model.config(), out)
    loaded, info = MistralForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    return outcome, loaded.eval()


def expert(state: dict[str, Tensor], layer: int, index: int, part: str) -> Tensor:
    return state[f"model.layers.{layer}.block_sparse_moe.experts.{index}.{part}.weight"]


@pytest.mark.parametrize(("text", "shares"), [("", (1, 1, 1, 1)), ("1, 2, 0, 1", (1, 2, 0, 1))])
def test_the_dense_layer_computes_with_the_averaged_weights(
    mixture: Path, tmp_path: Path, text: str, shares: tuple[int, ...]
) -> None:
    """down(silu(gate x) * up x), each matrix the average of the four experts'."""
    _, dense = convert(mixture, tmp_path / "out", shares=text)
    state = load_file(mixture / "model.safetensors")

    def mean(part: str) -> Tensor:
        parts = [s * expert(state, 1, i, part) for i, s in enumerate(shares)]
        return sum(parts[1:], parts[0]) / sum(shares)

    x = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))
    gate, up = x @ mean("w1").T, x @ mean("w3").T
    by_hand = (gate * torch.sigmoid(gate) * up) @ mean("w2").T
    with torch.no_grad():
        found = dense.model.layers[1].mlp(x)
    assert torch.allclose(found, by_hand, atol=1e-6)


def test_equal_experts_lose_nothing(mixture: Path, tmp_path: Path) -> None:
    """The router's weights sum to one: equal experts answer as one dense layer does."""
    from transformers import MixtralForCausalLM

    whole = MixtralForCausalLM.from_pretrained(mixture).eval()
    with torch.no_grad():
        for layer in whole.model.layers:
            for stacked in (layer.mlp.experts.gate_up_proj, layer.mlp.experts.down_proj):
                stacked.copy_(stacked[:1].expand_as(stacked).clone())
    whole.save_pretrained(tmp_path / "equal")
    _, dense = convert(tmp_path / "equal", tmp_path / "out")
    with torch.no_grad():
        assert torch.allclose(dense(TOKENS).logits, whole(TOKENS).logits, atol=1e-5)


def test_the_report_says_what_went_and_what_came(mixture: Path, tmp_path: Path) -> None:
    outcome, _ = convert(mixture, tmp_path / "out")
    told = {entry.tensor: entry for entry in outcome.report}
    assert told[f"{MLP}.up_proj.weight"].reason == f"average of {EXPERTS} experts"
    gone = [n for n, e in told.items() if e.action == "leave_out"]
    assert sum("experts" in n for n in gone) == 2 * EXPERTS * 3
    assert sum(n.endswith("gate.weight") for n in gone) == 2
    assert len(gone) == 2 * EXPERTS * 3 + 2
    kept = load_file(mixture / "model.safetensors")["model.layers.0.self_attn.q_proj.weight"]
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(written["model.layers.0.self_attn.q_proj.weight"], kept)


def test_shares_by_hand() -> None:
    tensors = [row(1, 0), row(4, 4), row(0, 8)]
    assert average(tensors, ()).tolist() == pytest.approx([5 / 3, 4])
    assert average(tensors, (1.0, 3.0, 0.0)).tolist() == [3.25, 3]
    assert shares_of(" 1, 2 ,0.5") == (1, 2, 0.5)


@pytest.mark.parametrize("text", ["1, two", "1;2", "-1, 2", "nan, 1", "0, 0", "1,,2", "inf, 1"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(ParameterError, match="shares is"):
        make_recipe("expert_averaging", ["m"], params={"shares": text})


def merged(state: dict[str, Tensor], about: dict[str, Any] | None = None, **params: Any) -> Any:
    recipe = make_recipe("expert_averaging", ["m"], params=params)
    return run(make_plan(recipe, None, {"m": MemoryCheckpoint("m", state, about or {})}))


def layer(*rows: Tensor) -> dict[str, Tensor]:
    return {f"l.block_sparse_moe.experts.{i}.w1.weight": r for i, r in enumerate(rows)}


@pytest.mark.parametrize(
    ("state", "about", "params", "sentence"),
    [
        ({"w": row(1)}, {}, {}, "no mixture-of-experts layers"),
        (layer(row(1), row(1, 2)), {}, {}, r"is \(2,\), the first expert's is \(1,\)"),
        (layer(row(1), row(2)), {}, {"shares": "1"}, "shares names 1 experts"),
        (layer(row(1), row(2)), {"model_type": "qwen2_moe"}, {}, "model_type is 'qwen2_moe'"),
        (
            {k.replace("experts.0", "experts.2"): v for k, v in layer(row(1), row(2)).items()},
            {}, {}, "Experts are missing",
        ),
    ],
)  # fmt: skip
def test_models_that_cannot_be_converted(
    state: dict[str, Tensor], about: dict[str, Any], params: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CompatibilityError, match=sentence):
        merged(state, about, **params)
