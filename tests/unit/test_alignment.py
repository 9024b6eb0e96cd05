"""Alignment of tiny transformers: what may be reordered, Git Re-Basin and PLeaS."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import State, quiet
from safetensors.torch import load_file, save_file
from torch import Tensor

from merging import cli
from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.engine.outcome import Outcome
from merging.errors import CompatibilityError, ParameterError
from merging.methods.matching import match_weights, permuted
from merging.methods.permutation import read_groups
from merging.methods.symmetries import Axis, Group, find_symmetries
from merging.recipe import make_recipe
from merging.sets.bundled import ROOT

SIZE: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24,
}  # fmt: skip
TOKENS: dict[str, Any] = {"vocab_size": 40, "max_position_embeddings": 16}


def parts_of(kind: str) -> tuple[Any, Any]:
    """The model class of a family, and a config of tiny size."""
    import transformers as hf

    quiet()
    picture = {"image_size": 28, "patch_size": 14, "num_channels": 1}
    return {
        "vit": lambda: (hf.ViTModel, hf.ViTConfig(**SIZE, **picture)),
        "bert": lambda: (hf.BertForMaskedLM, hf.BertConfig(**SIZE, **TOKENS)),
        "llama": lambda: (hf.LlamaForCausalLM, hf.LlamaConfig(**SIZE, **TOKENS)),
        "llama_shared_keys": lambda: (
            hf.LlamaForCausalLM,
            hf.LlamaConfig(**SIZE, **TOKENS, num_key_value_heads=2, attention_bias=True),
        ),
    }[kind]()


class Tiny:
    """A tiny transformer with random weights everywhere, also in biases and norms."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.cls, self.settings = parts_of(kind)
        self.cls(self.settings).save_pretrained(folder)
        shapes = {n: t.shape for n, t in load_file(folder / "model.safetensors").items()}
        source = torch.Generator().manual_seed(5)
        self.state = {n: 0.3 * torch.randn(s, generator=source) for n, s in shapes.items()}
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        self.images = kind == "vit"

    def output(self, state: State, **changes: Any) -> Tensor:
        """Last hidden state of a ViT, logits of the others."""
        settings = type(self.settings).from_dict(self.config | changes)
        model = self.cls.from_pretrained(None, config=settings, state_dict=state).eval()
        source = torch.Generator().manual_seed(6)
        with torch.no_grad():
            if self.images:
                found = model(torch.randn(3, 1, 28, 28, generator=source)).last_hidden_state
            else:
                found = model(torch.randint(40, (3, 7), generator=source)).logits
        assert isinstance(found, Tensor)
        return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tiny]:
    known: dict[str, Tiny] = {}

    def make(kind: str) -> Tiny:
        if kind not in known:
            with torch.random.fork_rng():
                known[kind] = Tiny(kind, tmp_path_factory.mktemp(kind))
        return known[kind]

    return make


def shapes_of(state: State) -> dict[str, tuple[int, ...]]:
    return {n: tuple(t.shape) for n, t in state.items()}


def shuffled(groups: Iterable[Group], state: State, seed: int) -> dict[Axis, Tensor]:
    """Random orders of all groups: of blocks, and of places in free blocks."""
    source = torch.Generator().manual_seed(seed)
    orders: dict[Axis, Tensor] = {}
    for group in groups:
        blocks = torch.randperm(group.blocks, generator=source)
        for strand in group.strands:
            name, axis = strand.axes[0]
            size = state[name].shape[axis] // group.blocks
            inner = torch.arange(size).expand(group.blocks, size).clone()
            if strand.free:
                for row in inner:
                    row.copy_(torch.randperm(size, generator=source))
            orders |= dict.fromkeys(strand.axes, (blocks[:, None] * size + inner).flatten())
    return orders


def merged(method: str, one: State, two: State, about: Any = None, **params: Any) -> Outcome:
    models = {n: MemoryCheckpoint(n, s, about or {}) for n, s in (("one", one), ("two", two))}
    recipe = make_recipe(method, list(models), params=params)
    return run(make_plan(recipe, None, models), device="cpu")


FAMILIES = ["vit", "bert", "llama", "llama_shared_keys"]
KINDS = [("stream",), ("heads",), ("hidden",), ("stream", "heads", "hidden")]


# --- What may be reordered ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("moved", KINDS, ids="+".join)
def test_any_order_of_any_group_computes_the_same(
    kind: str, moved: tuple[str, ...], tiny: Callable[[str], Tiny]
) -> None:
    """Only the features of a ViT, which are its stream, come out in the stream's new order."""
    model = tiny(kind)
    groups = find_symmetries(shapes_of(model.state), model.config).groups
    orders = shuffled([g for g in groups if g.kind in moved], model.state, seed=1)
    assert any(not torch.equal(o, o.sort().values) for o in orders.values())
    want, got = model.output(model.state), model.output(permuted(model.state, orders))
    if model.images and "stream" in moved:
        want = want.index_select(-1, orders["layernorm.weight", 0])
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", FAMILIES)
def test_groups_of_a_transformer(kind: str, tiny: Callable[[str], Tiny]) -> None:
    model = tiny(kind)
    found = find_symmetries(shapes_of(model.state), model.config)
    heads = 2 if kind == "llama_shared_keys" else 4
    told = sorted((g.kind, g.blocks) for g in found.groups)
    assert told == [("heads", heads)] * 2 + [("hidden", 24)] * 2 + [("stream", 32)]
    assert (found.missing, found.width) == ("", "intermediate_size")
    axes = [a for g in found.groups for s in g.strands for a in s.axes]
    assert len(axes) == len(set(axes))


def test_queries_and_keys_of_rotary_heads_keep_their_places(tiny: Callable[[str], Tiny]) -> None:
    free = {}
    for kind in FAMILIES:
        model = tiny(kind)
        groups = find_symmetries(shapes_of(model.state), model.config).groups
        free[kind] = [s.free for g in groups if g.kind == "heads" for s in g.strands][:2]
    assert free["vit"] == free["bert"] == [True, True]
    assert free["llama"] == [False, True]
    assert free["llama_shared_keys"] == [False, False]


def test_without_a_config_heads_stay(tiny: Callable[[str], Tiny]) -> None:
    found = find_symmetries(shapes_of(tiny("vit").state), {})
    assert {g.kind for g in found.groups} == {"stream", "hidden"}
    assert found.missing == "heads stay: the config does not say how many there are"


def test_heads_that_do_not_fit(tiny: Callable[[str], Tiny]) -> None:
    shapes = shapes_of(tiny("vit").state)
    with pytest.raises(CompatibilityError, match=r"says 5 attention heads.*'encoder\.layer\.0'"):
        find_symmetries(shapes, {"num_attention_heads": 5})


def test_one_unknown_tensor_keeps_the_stream_in_place(tiny: Callable[[str], Tiny]) -> None:
    """It might read the stream: then a reordered model would be wrong."""
    model = tiny("vit")
    shapes = shapes_of(model.state) | {"adapter.weight": (4, 32)}
    found = find_symmetries(shapes, model.config)
    assert {g.kind for g in found.groups} == {"hidden"}
    assert "residual stream and heads stay" in found.missing


def test_hidden_units_of_an_undeclared_transformer() -> None:
    shapes = {"x.fc1.weight": (6, 4), "x.fc1.bias": (6,), "x.fc2.weight": (4, 6), "o": (3, 4)}
    (group,) = find_symmetries(shapes, {}).groups
    assert set(group.strands[0].axes) == {
        ("x.fc1.weight", 0), ("x.fc1.bias", 0), ("x.fc2.weight", 1),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["{}", "layers.{}", "fc{}"])
def test_hidden_units_of_a_plain_stack(name: str) -> None:
    first, second, third = (name.format(i) for i in (2, 4, 10))
    shapes = {
        f"{third}.weight": (3, 6), f"{first}.weight": (5, 4), f"{first}.bias": (5,),
        f"{second}.weight": (6, 5), f"{third}.bias": (3,),
    }  # fmt: skip
    one, two = (g.strands[0].axes for g in find_symmetries(shapes, {}).groups)
    assert one == ((f"{first}.weight", 0), (f"{first}.bias", 0), (f"{second}.weight", 1))
    assert two == ((f"{second}.weight", 0), (f"{third}.weight", 1))


@pytest.mark.parametrize(
    "shapes",
    [
        {"a.weight": (4, 4), "norm": (4,)},
        {"0.weight": (5, 4), "1.weight": (3, 6)},
        {"0.weight": (5, 4), "1.weight": (3, 5), "scale": (1,)},
        {"0.weight": (5, 4, 3), "1.weight": (3, 5)},
    ],
)
def test_nothing_to_align(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(CompatibilityError, match="No architecture that can be aligned"):
        find_symmetries(shapes, {})


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("0.weight:0 0.weight:7", ParameterError, "'0.weight:7' names no axis"),
        ("0.weight:0; 1.weight:1 0.weight:0", ParameterError, "0.weight:0 is named twice"),
        ("0.weight:0 1.weight:0", CompatibilityError, r"have lengths \[3, 5\]"),
    ],
)
def test_groups_that_make_no_sense(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_groups(text, {"0.weight": (5, 4), "1.weight": (3, 5)})


# --- Git Re-Basin ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_reordered_copy_is_recovered(kind: str, tiny: Callable[[str], Tiny]) -> None:
    model = tiny(kind)
    groups = find_symmetries(shapes_of(model.state), model.config).groups
    copy = permuted(model.state, shuffled(groups, model.state, seed=2))
    outcome = merged("git_rebasin", model.state, copy, model.config)
    for name, tensor in model.state.items():
        torch.testing.assert_close(outcome.tensors[name], tensor, atol=1e-6, rtol=1e-6)
    assert all("two aligned to one" in entry.reason for entry in outcome.report)


def test_a_reordered_copy_of_the_bundled_base_is_recovered() -> None:
    state = {n: t.float() for n, t in load_file(ROOT / "base" / "model.safetensors").items()}
    config = json.loads((ROOT / "base" / "config.json").read_text())
    groups = find_symmetries(shapes_of(state), config).groups
    copy = permuted(state, shuffled(groups, state, seed=3))
    outcome = merged("git_rebasin", state, copy, config)
    assert all(torch.equal(outcome.tensors[n], state[n]) for n in state)


def test_a_seed_gives_one_answer(tiny: Callable[[str], Tiny]) -> None:
    model = tiny("vit")
    groups = find_symmetries(shapes_of(model.state), model.config).groups
    other = {n: t.flip(0) for n, t in model.state.items()}
    first, again = (match_weights(model.state, other, groups, 7) for _ in range(2))
    assert all(torch.equal(first[axis], again[axis]) for axis in first)


def test_the_report_says_what_moved() -> None:
    one = {"0.weight": torch.eye(3), "1.weight": 2 * torch.eye(3)}
    two = {"0.weight": torch.eye(3)[[1, 0, 2]], "1.weight": 2 * torch.eye(3)[:, [1, 0, 2]]}
    outcome = merged("git_rebasin", one, two)
    assert outcome.report[0].reason == (
        "two aligned to one (plain stack of linear layers): 2 of 3 hidden units moved"
    )


# --- PLeaS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "width"), [(0.0, 24), (0.25, 30), (0.5, 36), (1.0, 48)])
def test_width_follows_the_ratio_and_the_stream_keeps_its_own(
    ratio: float, width: int, tiny: Callable[[str], Tiny]
) -> None:
    """Of 24 units those below the quantile stay apart: 6 of a quarter, 12 of a half."""
    model = tiny("vit")
    other = {n: t + 0.1 * t.flip(0) for n, t in model.state.items()}
    outcome = merged("pleas", model.state, other, model.config, ratio=ratio)
    assert outcome.config == {"intermediate_size": width}
    layer = "encoder.layer.1"
    assert outcome.tensors[f"{layer}.intermediate.dense.weight"].shape == (width, 32)
    assert outcome.tensors[f"{layer}.output.dense.weight"].shape == (32, width)
    assert outcome.tensors[f"{layer}.attention.output.dense.weight"].shape == (32, 32)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_pleas_of_a_reordered_copy_computes_the_same(
    kind: str, ratio: float, tiny: Callable[[str], Tiny]
) -> None:
    """Units side by side are read at half their weight, so that two copies add up to one."""
    model = tiny(kind)
    groups = find_symmetries(shapes_of(model.state), model.config).groups
    copy = permuted(model.state, shuffled(groups, model.state, seed=4))
    outcome = merged("pleas", model.state, copy, model.config, ratio=ratio)
    got = model.output(dict(outcome.tensors), **outcome.config)
    torch.testing.assert_close(got, model.output(model.state), atol=1e-5, rtol=1e-5)


def test_nothing_apart_is_git_rebasin(tiny: Callable[[str], Tiny]) -> None:
    model = tiny("llama")
    other = {n: t.roll(1, 0) for n, t in model.state.items()}
    narrow = merged("pleas", model.state, other, model.config, ratio=0.0).tensors
    average = merged("git_rebasin", model.state, other, model.config).tensors
    assert all(torch.equal(narrow[name], average[name]) for name in average)


def test_equal_units_are_cut_by_place() -> None:
    """All eight fit alike: the width still follows the ratio, and the first ones are merged."""
    same = {"0.weight": torch.ones(8, 3), "1.weight": torch.ones(2, 8)}
    outcome = merged("pleas", same, same, ratio=0.5)
    assert outcome.tensors["0.weight"].shape == (12, 3)
    assert outcome.config == {}


def test_the_command_line_aligns_folders(tiny: Callable[[str], Tiny], tmp_path: Path) -> None:
    """The number of heads comes from the folder's config, the new width goes into it."""
    from transformers import ViTModel

    model = tiny("vit")
    groups = find_symmetries(shapes_of(model.state), model.config).groups
    copy = permuted(model.state, shuffled(groups, model.state, seed=4))
    for name, state in (("one", model.state), ("two", copy)):
        (tmp_path / name).mkdir()
        save_file(state, tmp_path / name / "model.safetensors", {"format": "pt"})
        (tmp_path / name / "config.json").write_text(json.dumps(model.config))
    (tmp_path / "mix.yaml").write_text(
        "format: merge-explorer/1\nexperts: [one, two]\nmethod: pleas\nparams: {ratio: 0.5}\n"
    )
    out = tmp_path / "out"
    arguments = ["merge", str(tmp_path / "mix.yaml"), "--out", str(out), "--device", "cpu"]
    assert cli.main(arguments) == 0
    loaded = ViTModel.from_pretrained(out).eval()
    assert loaded.config.intermediate_size == 36
    pixels = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        got = loaded(pixels).last_hidden_state
    torch.testing.assert_close(got, model.output(model.state), atol=1e-5, rtol=1e-5)
