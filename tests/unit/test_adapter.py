"""LoRA adapters over a base, against W + B·A·scale written out in float64."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from made_adapters import (
    EMBED,
    PREFIX,
    SHAPES,
    UP,
    Q,
    base_model,
    embedding,
    factors,
    numbers,
    write_adapter,
)
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.checkpoints.adapter import over
from merging.checkpoints.adapter_file import read_adapter
from merging.checkpoints.changes import block_rows
from merging.checkpoints.patched import PatchedCheckpoint
from merging.errors import SourceError

State = dict[str, Tensor]


def opened(folder: Path, base: MemoryCheckpoint | None = None) -> PatchedCheckpoint:
    return over(read_adapter(folder, "a"), base or base_model(), "a")


def close(found: Tensor, wanted: Tensor) -> bool:
    """Equal to the last bits of the type of ``found``."""
    bits = 1e-13 if found.dtype == torch.float64 else 2e-7
    return torch.allclose(found.double(), wanted.double(), rtol=bits, atol=bits)


def product(tensors: State, module: str) -> Tensor:
    a, b = (tensors[f"{PREFIX}{module}.lora_{side}.weight"].double() for side in "AB")
    return b @ a


def test_a_matrix_is_the_base_and_the_scaled_product(tmp_path: Path) -> None:
    tensors = factors(UP, 10, 6, 2)
    model, base = opened(write_adapter(tmp_path, tensors)), base_model()
    exact = 3.0 * product(tensors, UP)  # lora_alpha 6 / r 2
    assert close(model.delta(f"{UP}.weight"), exact)
    assert close(model.load(f"{UP}.weight"), base.load(f"{UP}.weight").double() + exact)
    untouched = SHAPES.keys() - {f"{UP}.weight"}
    assert all(torch.equal(model.load(n), base.load(n)) for n in untouched)
    assert not model.delta(f"{Q}.weight").any()


def test_written_out_by_hand(tmp_path: Path) -> None:
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [-1.0]])
    tensors = {f"{PREFIX}w.lora_A.weight": a, f"{PREFIX}w.lora_B.weight": b}
    folder = write_adapter(tmp_path, tensors, r=1, lora_alpha=0.5)
    base = MemoryCheckpoint("base", {"w.weight": torch.tensor([[1.0, 1.0], [1.0, 1.0]])})
    assert opened(folder, base).load("w.weight").tolist() == [[2.5, 4.0], [0.5, 0.0]]


@pytest.mark.parametrize(
    ("config", "scale_q", "scale_up"),
    [
        ({"r": 4, "rank_pattern": {"up_proj": 1}}, 6 / 4, 6 / 1),
        ({"r": 4, "rank_pattern": {"up_proj": 1}, "use_rslora": True}, 6 / 2, 6 / 1),
        ({"r": 4, "rank_pattern": {r"layers\.\d+\.mlp.*": 1}}, 6 / 4, 6 / 1),
        (
            {"r": 1, "rank_pattern": {"self_attn.q_proj": 4}, "alpha_pattern": {"q_proj": 10}},
            10 / 4,
            6 / 1,
        ),
        # The first pattern that matches counts; one that matches only a part of a name does not.
        (
            {"r": 1, "rank_pattern": {"_proj": 9, "q_proj": 4}, "alpha_pattern": {".*_proj": 2}},
            2 / 4,
            2 / 1,
        ),
    ],
)
def test_patterns_give_ranks_and_scales(
    tmp_path: Path, config: dict[str, Any], scale_q: float, scale_up: float
) -> None:
    tensors = factors(Q, 6, 6, 4) | factors(UP, 10, 6, 1, seed=40)
    model = opened(write_adapter(tmp_path, tensors, **config))
    for module, scale in ((Q, scale_q), (UP, scale_up)):
        wanted = scale * product(tensors, module)
        assert torch.allclose(model.delta(f"{module}.weight"), wanted, rtol=1e-14, atol=0)


def test_half_precision_is_merged_without_rounding_the_base_again(tmp_path: Path) -> None:
    tensors = {n: t.bfloat16() for n, t in factors(UP, 10, 6, 2).items()}
    base = base_model(torch.bfloat16)
    model = opened(write_adapter(tmp_path, tensors), base)
    exact = base.load(f"{UP}.weight").double() + 3 * product(tensors, UP)
    assert model.tensors()[f"{UP}.weight"].dtype == torch.float32
    assert close(model.load(f"{UP}.weight"), exact)


def test_embeddings_are_stored_the_other_way_round(tmp_path: Path) -> None:
    tensors = embedding(EMBED, 12, 6, 2)
    model = opened(write_adapter(tmp_path, tensors))
    a, b = (tensors[f"{PREFIX}{EMBED}.lora_embedding_{s}"].double() for s in "AB")
    assert torch.allclose(model.delta(f"{EMBED}.weight"), 3 * (b @ a).T, rtol=1e-13)


def test_conv1d_weights_are_stored_the_other_way_round(tmp_path: Path) -> None:
    """By the shape where it tells, else by fan_in_fan_out, or by what GPT-2 is known for."""
    wide, square = "h.0.attn.c_attn", "h.0.attn.c_proj"
    state = {f"{wide}.weight": numbers((4, 12), 1), f"{square}.weight": numbers((4, 4), 2)}
    tensors = factors(wide, 12, 4, 2) | factors(square, 4, 4, 2)
    for about, config in (({"model_type": "gpt2"}, {}), ({}, {"fan_in_fan_out": True})):
        base = MemoryCheckpoint("base", state, about)
        model = opened(write_adapter(tmp_path, tensors, **config), base)
        for module in (wide, square):
            wanted = 3 * product(tensors, module).T
            assert torch.allclose(model.delta(f"{module}.weight"), wanted, rtol=1e-13)
    model = opened(write_adapter(tmp_path, tensors), MemoryCheckpoint("base", state))
    assert close(model.delta(f"{square}.weight"), 3 * product(tensors, square))


def test_convolutions(tmp_path: Path) -> None:
    a, b = numbers((2, 3, 5, 5), 1), numbers((4, 2, 1, 1), 2)
    tensors = {f"{PREFIX}conv.lora_A.weight": a, f"{PREFIX}conv.lora_B.weight": b}
    base = MemoryCheckpoint("base", {"conv.weight": numbers((4, 3, 5, 5), 3)})
    found = opened(write_adapter(tmp_path, tensors), base).delta("conv.weight")
    wanted = 3 * torch.einsum("or,rihw->oihw", b[:, :, 0, 0].double(), a.double())
    assert torch.allclose(found, wanted, rtol=1e-13)


def test_whole_tensors_and_biases_take_the_place_of_the_bases(tmp_path: Path) -> None:
    whole = {
        f"{PREFIX}score.modules_to_save.weight": numbers((3, 6), 50),
        f"{PREFIX}{Q}.base_layer.bias": numbers((6,), 51),
        f"{PREFIX}norm.weight": numbers((6,), 52),
    }
    folder = write_adapter(tmp_path, factors(Q, 6, 6, 2) | whole, bias="all")
    model = opened(folder)
    for key, name in zip(whole, ("score.weight", f"{Q}.bias", "norm.weight"), strict=True):
        assert torch.equal(model.load(name), whole[key])
        exact = whole[key].double() - base_model().load(name).double()
        assert torch.equal(model.delta(name), exact)


def test_a_bias_of_b_is_scaled_and_added(tmp_path: Path) -> None:
    tensors = factors(Q, 6, 6, 2) | {f"{PREFIX}{Q}.lora_B.bias": numbers((6,), 60)}
    model = opened(write_adapter(tmp_path, tensors, lora_bias=True))
    assert torch.equal(model.delta(f"{Q}.bias"), 3 * numbers((6,), 60).double())


def test_an_embedding_saved_whole_and_adapted_is_both(tmp_path: Path) -> None:
    tensors = embedding(EMBED, 12, 6, 2) | {
        f"{PREFIX}{EMBED}.base_layer.weight": numbers((12, 6), 5)
    }
    model = opened(write_adapter(tmp_path, tensors))
    a, b = (tensors[f"{PREFIX}{EMBED}.lora_embedding_{s}"].double() for s in "AB")
    assert close(model.load(f"{EMBED}.weight"), numbers((12, 6), 5).double() + 3 * (b @ a).T)


@pytest.mark.parametrize("turned", [False, True])
def test_dora_scales_every_output_to_its_magnitude(tmp_path: Path, turned: bool) -> None:
    magnitude = numbers((10,), 70).abs() + 0.5
    key = f"{PREFIX}{UP}.lora_magnitude_vector"
    tensors = factors(UP, 10, 6, 2) | {key: magnitude}
    weight = base_model().load(f"{UP}.weight")
    base = MemoryCheckpoint("base", {f"{UP}.weight": weight.T.contiguous() if turned else weight})
    model = opened(write_adapter(tmp_path, tensors, use_dora=True), base)
    changed = weight.double() + 3 * product(tensors, UP)
    rows = [
        magnitude[i].double() * changed[i] / changed[i].square().sum().sqrt() for i in range(10)
    ]
    wanted = torch.stack(rows)
    found = model.load(f"{UP}.weight")
    assert torch.allclose((found.T if turned else found).double(), wanted, rtol=1e-6)


def test_bases_saved_with_and_without_their_head(tmp_path: Path) -> None:
    tensors = factors(f"model.{UP}", 10, 6, 2)
    folder = write_adapter(tmp_path, tensors)
    exact = 3 * product(tensors, f"model.{UP}")
    assert close(opened(folder).delta(f"{UP}.weight"), exact)
    state = {f"model.{n}": t for n, t in base_model().state.items()}
    bare = write_adapter(tmp_path / "bare", factors(UP, 10, 6, 2))
    found = opened(bare, MemoryCheckpoint("base", state)).delta(f"model.{UP}.weight")
    assert close(found, exact)


def test_runs_in_any_pieces_have_the_same_bits(tmp_path: Path) -> None:
    """Blocks of rows are worked out whole, wherever a run begins or ends."""
    rows, columns = 2 * block_rows(700) + 9, 700
    base = MemoryCheckpoint("base", {"w.weight": numbers((rows, columns), 3)})
    model = opened(write_adapter(tmp_path, factors("w", rows, columns, 2)), base)
    whole = model.load("w.weight").flatten()
    size = block_rows(700) * 700
    with model.opened() as files:
        for start, stop in ((0, 5), (699, 1401), (size - 3, size + 3), (size, 2 * size + 7)):
            assert torch.equal(files.run("w.weight", start, stop), whole[start:stop])
        out = torch.empty(11)
        files.read("w.weight", rows * columns - 11, out)
        assert torch.equal(out, whole[-11:])


def test_identity_and_mark_follow_adapter_base_and_config(tmp_path: Path) -> None:
    tensors = factors(UP, 10, 6, 2)
    first = opened(write_adapter(tmp_path / "a", tensors))
    same = opened(write_adapter(tmp_path / "b", tensors))
    assert first.identity() == same.identity()
    others = [
        opened(write_adapter(tmp_path / "c", factors(UP, 10, 6, 2, seed=8))),
        opened(write_adapter(tmp_path / "d", tensors, lora_alpha=7)),
        opened(write_adapter(tmp_path / "e", tensors), base_model(torch.float64)),
    ]
    assert len({m.identity() for m in (first, *others)}) == 4
    assert len({m.mark() for m in (first, *others)}) == 4


def _no_b(tensors: State) -> State:
    return {n: t for n, t in tensors.items() if ".lora_A." in n}


def _with(key: str, value: Tensor) -> Any:
    return lambda tensors: tensors | {f"{PREFIX}{key}": value}


HOSTILE: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no B": (_no_b, {}, "lora_A.weight' stands in .* without one lora_A beside B"),
    "another rank": (dict, {"r": 3}, "has rank 2, but adapter_config.json says 3"),
    "no factors": (
        _with(f"{UP}.lora_B.weight", numbers((10, 3), 1)),
        {},
        r"has shape \(2, 6\) and .* \(10, 3\)",
    ),
    "vectors": (_with(f"{UP}.lora_A.weight", numbers((2,), 1)), {}, r"has shape \(2,\)"),
    "another kind": (dict, {"peft_type": "IA3"}, "peft_type is 'IA3'"),
    "no kind": (dict, {"peft_type": None}, "peft_type is None"),
    "start": (dict, {"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
    "unknown entry": (dict, {"use_magic": 3}, "'use_magic' is 3, which is not supported"),
    "target_parameters": (dict, {"target_parameters": ["w"]}, "'target_parameters' is"),
    "no rank": (dict, {"r": 0}, "r is 0; it must be a whole number"),
    "rank in words": (dict, {"rank_pattern": {"up_proj": "2"}}, "rank_pattern .* is '2'"),
    "alpha": (dict, {"lora_alpha": float("nan")}, "lora_alpha is nan"),
    "flag": (dict, {"use_rslora": "no"}, "use_rslora is 'no'; it must be true or false"),
    "bad pattern": (dict, {"rank_pattern": {"(": 2}}, "is no regular expression"),
    "slow pattern": (dict, {"alpha_pattern": {"(a+)+b": 2}}, "repeats a repetition"),
    "slow choice": (dict, {"alpha_pattern": {"(a|aa)+b": 2}}, "repeats a repetition"),
    "many repeats": (dict, {"alpha_pattern": {".*a" * 9: 2}}, "more than 3 times"),
    "long name": (_with("x" * 300, numbers((3,), 1)), {}, "is too long to be a module's"),
    "patterns": (dict, {"rank_pattern": [1]}, "rank_pattern must map"),
    "bias": (dict, {"bias": "some"}, "bias is 'some'; none, all and lora_only are known"),
    "magnitude alone": (
        _with("other.lora_magnitude_vector", numbers((3,), 1)),
        {},
        "other.lora_magnitude_vector' stands in",
    ),
    "dora without": (dict, {"use_dora": True}, "says use_dora, but .* has no magnitude vector"),
    "magnitude of other size": (
        _with(f"{UP}.lora_magnitude_vector", numbers((3,), 1)),
        {"use_dora": True},
        r"has shape \(3,\); it must hold 10 numbers",
    ),
    "unknown factor": (
        _with(f"{UP}.lora_C.weight", numbers((3,), 1)),
        {},
        "is no part of a LoRA that is supported",
    ),
    "tokens": (
        _with(f"{EMBED}.token_adapter.trainable_tokens_delta", numbers((3,), 1)),
        {},
        "is no part of a LoRA",
    ),
    "twice": (
        _with(f"{UP}.lora_A.default.weight", numbers((2, 6), 1)),
        {},
        "are the same tensor",
    ),
    "unknown module": (
        lambda t: factors("layers.9.q_proj", 6, 6, 2),
        {},
        "changes 'layers.9.q_proj', which base does not have",
    ),
    "tied head": (lambda t: factors("lm_head", 12, 6, 2), {}, "tied to the embedding"),
    "other shape": (
        lambda t: factors(UP, 10, 5, 2),
        {},
        r"changes a weight of shape \(10, 5\), which has shape \(10, 6\) in base",
    ),
    "other embedding": (
        lambda t: embedding(EMBED, 13, 6, 2),
        {},
        r"weight of shape \(13, 6\), which has shape \(12, 6\)",
    ),
    "resized head": (
        _with("score.weight", numbers((4, 6), 1)),
        {},
        r"has shape \(4, 6\), but 'score.weight' of base has \(3, 6\)",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_does_not_fit_is_refused_in_words(tmp_path: Path, case: str) -> None:
    change, config, words = HOSTILE[case]
    folder = write_adapter(tmp_path, change(factors(UP, 10, 6, 2)), **config)
    with pytest.raises(SourceError, match=words) as refusal:
        opened(folder)
    assert str(refusal.value).startswith("Adapter a")


def test_numbers_that_are_none_are_refused_when_they_are_read(tmp_path: Path) -> None:
    tensors = factors(UP, 10, 6, 2)
    tensors[f"{PREFIX}{UP}.lora_B.weight"][3, 1] = float("nan")
    model = opened(write_adapter(tmp_path, tensors))
    with pytest.raises(SourceError, match=r"Adapter a: '.*up_proj.lora_B.weight' holds nan"):
        model.load(f"{UP}.weight")


def test_a_quantised_base_is_refused(tmp_path: Path) -> None:
    base = MemoryCheckpoint("base", {f"{UP}.weight": torch.zeros(10, 6, dtype=torch.int8)})
    with pytest.raises(SourceError, match=r"holds torch.int8 in base.*not quantised"):
        opened(write_adapter(tmp_path, factors(UP, 10, 6, 2)), base)


def test_dora_of_weights_that_vanish_is_refused(tmp_path: Path) -> None:
    tensors = factors(UP, 10, 6, 2) | {f"{PREFIX}{UP}.lora_magnitude_vector": torch.ones(10)}
    tensors[f"{PREFIX}{UP}.lora_B.weight"].zero_()
    base = MemoryCheckpoint("base", {f"{UP}.weight": torch.zeros(10, 6)})
    model = opened(write_adapter(tmp_path, tensors, use_dora=True), base)
    with pytest.raises(SourceError, match="an output whose weights are all 0"):
        model.load(f"{UP}.weight")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot read adapter_config.json"),
        ("[1]", "must hold a JSON object"),
        ("[" * 100_000, "cannot read adapter_config.json"),
        (json.dumps({"peft_type": "LORA", "r": 10**30}), "must be a whole number"),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    folder = write_adapter(tmp_path, factors(UP, 10, 6, 2))
    (folder / "adapter_config.json").write_text(text)
    with pytest.raises(SourceError, match=words):
        opened(folder)


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path, factors(UP, 10, 6, 2))
    path = folder / "adapter_model.safetensors"
    data = path.read_bytes()
    for damage in (b"", data[:7], data[:60], b"\xff" * 64, data[:-4]):
        path.write_bytes(damage)
        with pytest.raises(SourceError, match=r"cannot read adapter_model\.safetensors"):
            opened(folder)
    path.rename(folder / "adapter_model.bin")
    with pytest.raises(SourceError, match=r"adapter_model\.bin: save it as safetensors"):
        opened(folder)
