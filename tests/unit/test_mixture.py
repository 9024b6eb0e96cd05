"""Expert averaging: a tiny Mixtral becomes a Mistral that transformers loads."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import State, merge
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import silu

from merging.cli import main
from merging.errors import CompatibilityError, ParameterError, RecipeError
from merging.methods.mixture import read_shares
from merging.recipe import Recipe, make_recipe

EXPERTS, HIDDEN, INNER = 3, 16, 24
UP_TO_ROUNDING: dict[str, Any] = {"atol": 1e-6, "rtol": 1e-5}


def mixtral() -> Any:
    from transformers import MixtralConfig, MixtralForCausalLM

    size: dict[str, Any] = {
        "vocab_size": 16, "hidden_size": HIDDEN, "intermediate_size": INNER,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "num_local_experts": EXPERTS, "num_experts_per_tok": 2, "max_position_embeddings": 32,
        "initializer_range": 0.3, "rope_theta": 5e5,
    }  # fmt: skip
    return MixtralForCausalLM(MixtralConfig(**size)).eval()


@pytest.fixture(scope="module")
def model() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return mixtral()


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as transformers writes it."""
    root = tmp_path_factory.mktemp("mixtral")
    model.save_pretrained(root / "moe")
    return root


def recipe(shares: str = "") -> Recipe:
    return make_recipe("expert_averaging", ["moe"], params={"shares": shares})


def average(state: State, shares: str = "") -> State:
    return merge(recipe(shares), None, {"moe": state})


def dense_model(folder: Path, out: Path, shares: str = "") -> Any:
    """Merge on the command line; load what was written."""
    from transformers import AutoModelForCausalLM

    path = folder / f"{out.name}.yaml"
    path.write_text(
        "format: merge-explorer/1\nexperts: [moe]\nmethod: expert_averaging\n"
        f"params: {{shares: '{shares}'}}\n"
    )
    assert main(["merge", str(path), "--out", str(out), "--device", "cpu"]) == 0
    loaded, info = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return loaded.eval()


def inputs(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4))


# --- In transformers ------------------------------------------------------------------------------


@pytest.mark.parametrize(("shares", "counts"), [("", [1, 1, 1]), ("1, 2, 5", [1, 2, 5])])
def test_a_layer_computes_with_the_mean_of_its_experts(
    model: Any, folder: Path, tmp_path: Path, shares: str, counts: list[int]
) -> None:
    """By hand: down(silu(gate x) · up x) with each matrix the weighted mean of three."""
    dense = dense_model(folder, tmp_path / "out", shares)
    assert type(dense).__name__ == "MistralForCausalLM"
    x = inputs(5, HIDDEN)
    for old, new in zip(model.model.layers, dense.model.layers, strict=True):
        both, down = old.mlp.experts.gate_up_proj.detach(), old.mlp.experts.down_proj.detach()
        gate_up = sum(n * w for n, w in zip(counts, both, strict=True)) / sum(counts)
        back = sum(n * w for n, w in zip(counts, down, strict=True)) / sum(counts)
        want = (silu(x @ gate_up[:INNER].T) * (x @ gate_up[INNER:].T)) @ back.T
        torch.testing.assert_close(new.mlp(x).detach(), want, **UP_TO_ROUNDING)


def test_equal_experts_give_the_output_of_the_mixture(tmp_path: Path) -> None:
    """The router's weights sum to one, so a mixture of copies is that one layer."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = mixtral()
    with torch.no_grad():
        for layer in model.model.layers:
            for stack in (layer.mlp.experts.gate_up_proj, layer.mlp.experts.down_proj):
                stack.copy_(stack[0].clone().expand_as(stack))
    model.save_pretrained(tmp_path / "moe")
    dense = dense_model(tmp_path, tmp_path / "out")
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    with torch.no_grad():
        torch.testing.assert_close(dense(tokens).logits, model(tokens).logits, atol=1e-4, rtol=1e-4)


def test_config_becomes_that_of_a_mistral(folder: Path, tmp_path: Path) -> None:
    dense_model(folder, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert written["model_type"] == "mistral"
    assert written["architectures"] == ["MistralForCausalLM"]
    assert written["intermediate_size"] == INNER
    assert written["rope_parameters"]["rope_theta"] == 5e5
    assert not any("expert" in key or "router" in key for key in written)


def test_report_tells_where_every_tensor_went(folder: Path, tmp_path: Path) -> None:
    dense_model(folder, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "merge_report.json").read_text("utf-8"))
    told = {t["tensor"]: (t["action"], t["reason"]) for t in report["tensors"]}
    layer = "model.layers.1."
    assert told[layer + "mlp.up_proj.weight"] == ("merge", "mean of 3 experts")
    assert told[layer + "block_sparse_moe.experts.2.w3.weight"] == (
        "leave_out", f"averaged into {layer}mlp.up_proj.weight",
    )  # fmt: skip
    action, reason = told[layer + "block_sparse_moe.gate.weight"]
    assert action == "leave_out" and "router" in reason


def test_both_forms_of_the_names_give_the_same(model: Any, folder: Path) -> None:
    """One tensor per expert in files, all experts stacked in memory."""
    stacked = average(dict(model.state_dict()))
    alone = average(load_file(folder / "moe" / "model.safetensors"))
    assert stacked.keys() == alone.keys()
    for name, tensor in alone.items():
        torch.testing.assert_close(stacked[name], tensor, atol=0, rtol=0)


# --- By hand --------------------------------------------------------------------------------------


def tiny() -> State:
    """Two experts of one layer with numbers that can be averaged in the head."""
    experts = "layers.0.block_sparse_moe.experts."
    return {
        "layers.0.block_sparse_moe.gate.weight": torch.tensor([[9.0], [9.0]]),
        f"{experts}0.w1.weight": torch.tensor([[1.0]]),
        f"{experts}1.w1.weight": torch.tensor([[3.0]]),
        f"{experts}0.w2.weight": torch.tensor([[2.0]]),
        f"{experts}1.w2.weight": torch.tensor([[-2.0]]),
        f"{experts}0.w3.weight": torch.tensor([[0.0]]),
        f"{experts}1.w3.weight": torch.tensor([[8.0]]),
        "norm.weight": torch.tensor([5.0]),
    }


def test_two_experts_by_hand() -> None:
    found = average(tiny(), "3, 1")
    assert {n: t.flatten().tolist() for n, t in found.items()} == {
        "layers.0.mlp.gate_proj.weight": [1.5],  # (3 · 1 + 3) / 4
        "layers.0.mlp.down_proj.weight": [1.0],  # (3 · 2 - 2) / 4
        "layers.0.mlp.up_proj.weight": [2.0],  # (0 + 8) / 4
        "norm.weight": [5.0],
    }
    assert average(tiny())["layers.0.mlp.gate_proj.weight"].tolist() == [[2.0]]


def test_half_precision_is_rounded_once() -> None:
    state = {n: t.to(torch.bfloat16) for n, t in tiny().items()}
    found = average(state, "1, 2")
    third = torch.tensor([[7 / 3]]).to(torch.bfloat16)
    assert torch.equal(found["layers.0.mlp.gate_proj.weight"], third)
    assert {t.dtype for t in found.values()} == {torch.bfloat16}


# --- Refused --------------------------------------------------------------------------------------


def test_a_model_without_experts_is_refused() -> None:
    with pytest.raises(CompatibilityError, match="moe has no mixture-of-experts layer"):
        average({"layers.0.mlp.up_proj.weight": torch.ones(2, 2)})


def test_a_missing_expert_is_named() -> None:
    state = tiny()
    del state["layers.0.block_sparse_moe.experts.0.w2.weight"]
    with pytest.raises(CompatibilityError, match=r"down_proj.weight cannot be made.*\[1\] of it"):
        average(state)


def test_a_missing_matrix_is_named() -> None:
    state = {n: t for n, t in tiny().items() if "w3" not in n}
    with pytest.raises(CompatibilityError, match=r"up_proj.weight cannot be made"):
        average(state)


def test_other_mixtures_are_refused_by_the_tensor_that_does_not_fit() -> None:
    state = tiny() | {"layers.0.mlp.shared_expert.up_proj.weight": torch.ones(1, 1)}
    with pytest.raises(CompatibilityError, match=r"shared_expert.* has no place in a Mistral"):
        average(state)


def test_shares_must_be_as_many_as_experts() -> None:
    with pytest.raises(CompatibilityError, match="has 2 experts, but shares holds 3 numbers"):
        average(tiny(), "1, 2, 3")


@pytest.mark.parametrize("text", ["a, b", "1, -1", "0, 0", "1,,2", "nan, 1", "inf, 1", ","])
def test_shares_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ParameterError, match="numbers of at least 0, not all 0"):
        recipe(text)


def test_shares_as_they_are_read() -> None:
    assert read_shares("") == read_shares("  ") == ()
    assert read_shares("1, 2.5,0") == (1.0, 2.5, 0.0)


def test_one_model_alone() -> None:
    with pytest.raises(RecipeError, match="takes at most 1 expert; 2 are given"):
        make_recipe("expert_averaging", ["a", "b"])
