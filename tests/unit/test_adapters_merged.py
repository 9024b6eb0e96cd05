"""Adapters merged without their base: true deltas by any method, and factors as peft does."""

import errno
import json
import math
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from builders import merge
from made_adapters import EMBED, UP, Q, base_model, embedding, factors, write_adapter
from torch import Tensor

from merging.checkpoints.adapter import over
from merging.checkpoints.adapter_file import AdapterFile, read_adapter
from merging.cli import main
from merging.engine.adapter_output import write_adapter as write_merged
from merging.engine.adapters import MergedAdapter, merge_adapters
from merging.errors import (
    CompatibilityError,
    MergeError,
    ParameterError,
    RecipeError,
    ResourceError,
    SourceError,
)
from merging.recipe import Recipe, make_recipe

MODULES = {Q: (6, 6), UP: (10, 6)}


@pytest.fixture
def two(tmp_path: Path) -> dict[str, AdapterFile]:
    """Adapters of rank 2 (scale 3) and 3 (scale 2); the second has no q_proj but an embedding."""
    first = factors(Q, 6, 6, 2) | factors(UP, 10, 6, 2, seed=30)
    second = factors(UP, 10, 6, 3, seed=31) | embedding(EMBED, 12, 6, 3)
    return {
        "a": read_adapter(write_adapter(tmp_path / "a", first), "a"),
        "b": read_adapter(write_adapter(tmp_path / "b", second, r=3), "b"),
    }


@pytest.fixture
def alike(tmp_path: Path) -> dict[str, AdapterFile]:
    """Three adapters of rank 2 on the same modules, scales 3, 3 and 1."""
    made = {}
    for place, name in enumerate("abc"):
        tensors: dict[str, Tensor] = {}
        for module, (out, into) in MODULES.items():
            tensors |= factors(module, out, into, 2, seed=100 * place + out)
        alpha = 2 if name == "c" else 6
        made[name] = read_adapter(write_adapter(tmp_path / name, tensors, lora_alpha=alpha), name)
    return made


def product(merged: MergedAdapter, module: str) -> Tensor:
    return merged.factors[module].b @ merged.factors[module].a


def test_sums_are_joined_exactly(two: dict[str, AdapterFile]) -> None:
    recipe = make_recipe("task_arithmetic", {"a": 0.5, "b": -2.0}, params={"scale": 0.7})
    merged = merge_adapters(recipe, two, rank=5)
    a, b = two.values()
    wanted = {
        Q: 0.35 * a.delta(Q),
        UP: 0.35 * a.delta(UP) - 1.4 * b.delta(UP),
        EMBED: -1.4 * b.delta(EMBED),
    }
    assert merged.how == "joined" and merged.kept == 1.0
    assert {m: f.a.shape[0] for m, f in merged.factors.items()} == {Q: 2, UP: 5, EMBED: 3}
    for module, delta in wanted.items():
        assert torch.allclose(product(merged, module), delta, rtol=1e-12, atol=1e-12)
        assert merged.factors[module].energy == pytest.approx(float(delta.square().sum()))


def test_a_mean_divides_by_all_weights_also_where_an_adapter_is_silent(
    two: dict[str, AdapterFile],
) -> None:
    merged = merge_adapters(make_recipe("linear", {"a": 1.0, "b": 3.0}), two, rank=5)
    assert torch.allclose(product(merged, Q), two["a"].delta(Q) / 4, rtol=1e-12)


def test_a_sum_cut_to_a_rank_is_the_nearest_and_tells_its_energy(
    two: dict[str, AdapterFile],
) -> None:
    merged = merge_adapters(make_recipe("task_arithmetic", ["a", "b"], params={"scale": 1}), two, 2)
    whole = two["a"].delta(UP) + two["b"].delta(UP)
    u, s, v = torch.linalg.svd(whole, full_matrices=False)
    assert merged.how == "cut"
    assert torch.allclose(product(merged, UP), u[:, :2] * s[:2] @ v[:2], rtol=1e-9, atol=1e-9)
    kept = float(s[:2].square().sum() / s.square().sum())
    assert merged.factors[UP].kept == pytest.approx(kept, rel=1e-9)
    assert 0 < kept < merged.kept < 1


@pytest.mark.parametrize("method", ["ties", "dare_ties", "slerp", "opcm", "model_stock", "lines"])
def test_true_deltas_by_any_method_are_what_merging_into_a_base_adds(
    alike: dict[str, AdapterFile], method: str
) -> None:
    """At full rank: the same recipe over a base in float64, minus the base."""
    names = ["a", "b"] if method == "slerp" else ["a", "b", "c"]
    recipe = make_recipe(method, names, seed=5)
    merged = merge_adapters(recipe, alike, rank=6)
    zero = {f"{m}.weight": torch.zeros(s, dtype=torch.float64) for m, s in MODULES.items()}
    deltas = {n: {f"{m}.weight": alike[n].delta(m) for m in MODULES} for n in names}
    wanted = merge(recipe, zero, deltas)
    for module in MODULES:
        found = product(merged, module)
        assert torch.allclose(found, wanted[f"{module}.weight"], rtol=1e-8, atol=1e-8)
        assert merged.factors[module].kept == pytest.approx(1.0, abs=1e-12)


def test_opcm_takes_adapters_in_the_order_of_the_recipe(alike: dict[str, AdapterFile]) -> None:
    """The first adapter is kept whole, and another order is another merge; the id does not sort."""
    found = {}
    for order in ("cab", "abc"):
        recipe = make_recipe("opcm", list(order), params={"after": 1})
        first = merge_adapters(recipe, alike, rank=6)
        assert torch.allclose(product(first, UP), alike[order[0]].delta(UP), rtol=1e-8, atol=1e-8)
        found[order] = product(merge_adapters(make_recipe("opcm", list(order)), alike, 6), UP)
    assert float((found["cab"] - found["abc"]).norm()) > 0.01 * float(found["abc"].norm())


def test_a_running_average_over_a_base_follows_the_order(
    alike: dict[str, AdapterFile], tmp_path: Path
) -> None:
    """checkpoint_ema over adapters on a base: each next one at its share."""
    base = base_model()
    models = {n: over(a, base, n) for n, a in alike.items()}
    states = {n: {t: m.load(t) for t in m.tensors()} for n, m in models.items()}
    results = []
    for order in ("cab", "abc"):
        recipe = make_recipe("checkpoint_ema", list(order))
        results.append(merge(recipe, base.state | {}, {n: states[n] for n in order}))
    assert not torch.allclose(results[0][f"{UP}.weight"], results[1][f"{UP}.weight"], rtol=1e-3)


def test_factors_are_merged_apart_in_dialect_peft(alike: dict[str, AdapterFile]) -> None:
    """By hand: roots of |weight x scale| on both sides, the sign on A alone."""
    weights = {"a": 0.5, "b": -2.0, "c": 1.0}
    merged = merge_adapters(make_recipe("task_arithmetic", weights, dialect="peft"), alike)
    scales = {"a": 3.0, "b": 3.0, "c": 1.0}
    b, a = torch.zeros(10, 2).double(), torch.zeros(2, 6).double()
    for name, weight in weights.items():
        one_b, one_a = alike[name].factors(UP, scaled=False)
        root = math.sqrt(abs(weight * scales[name]))
        a += math.copysign(root, weight) * one_a
        b += root * one_b
    assert merged.how == "factors"
    assert torch.allclose(merged.factors[UP].a, a, rtol=1e-5, atol=1e-6)
    assert torch.allclose(merged.factors[UP].b, b, rtol=1e-5, atol=1e-6)
    paper = merge_adapters(make_recipe("task_arithmetic", weights, params={"scale": 1}), alike, 6)
    assert float((product(merged, UP) - product(paper, UP)).norm()) > 1.0


def test_what_is_written_is_read_back_as_the_same_adapter(
    two: dict[str, AdapterFile], tmp_path: Path
) -> None:
    recipe = make_recipe("task_arithmetic", {"a": 0.5, "b": 1.0}, params={"scale": 1})
    merged = merge_adapters(recipe, two, rank=4)
    write_merged(merged, tmp_path / "out")
    back = read_adapter(tmp_path / "out", "out")
    for module in merged.modules:
        assert back.config.scale_of(module) == 1.0
        assert torch.allclose(back.delta(module), product(merged, module), rtol=1e-5, atol=1e-5)
    assert {p.module: p.embedding for p in back.pairs.values()} == {Q: 0, UP: 0, EMBED: 1}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "merge_report.json",
        "recipe.yaml",
    ]
    assert not list(tmp_path.glob(".*"))


def test_a_factor_that_reads_back_otherwise_is_not_handed_out(
    two: dict[str, AdapterFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("task_arithmetic", {"a": 0.5, "b": 1.0}, params={"scale": 1})
    merged = merge_adapters(recipe, two, rank=4)
    save = safetensors.torch.save

    def damaged(tensors: dict[str, Tensor], *rest: object) -> bytes:
        first, *others = tensors
        return save({first: tensors[first] + 1, **{n: tensors[n] for n in others}}, *rest)

    monkeypatch.setattr(safetensors.torch, "save", damaged)
    with pytest.raises(SourceError, match="does not read back as it was written"):
        write_merged(merged, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]  # the inputs


@pytest.mark.parametrize(
    ("recipe", "rank", "error", "words"),
    [
        (make_recipe("ties", ["a", "b"], dialect="peft"), None, CompatibilityError, "a 2, b 3"),
        (make_recipe("fisher", ["a", "b"]), None, RecipeError, "needs fisher"),
    ],
)
def test_refusals(
    two: dict[str, AdapterFile], recipe: Recipe, rank: int, error: type[MergeError], words: str
) -> None:
    with pytest.raises(error, match=words):
        merge_adapters(recipe, two, rank)


def test_refusals_of_dialect_peft(alike: dict[str, AdapterFile]) -> None:
    scaled = make_recipe("task_arithmetic", ["a", "b"], dialect="peft", params={"scale": 0.5})
    with pytest.raises(ParameterError, match=r"scale is 0\.5, and peft has no scale"):
        merge_adapters(scaled, alike)
    with pytest.raises(RecipeError, match="the rank of its inputs, 2; 4 is asked for"):
        merge_adapters(make_recipe("ties", ["a", "b"], dialect="peft"), alike, 4)


@pytest.mark.parametrize(
    ("tensors", "config", "words"),
    [
        ({"base_model.model.norm.weight": torch.ones(6)}, {}, "norm.weight', which is no B·A"),
        ({f"base_model.model.{UP}.lora_magnitude_vector": torch.ones(10)}, {"use_dora": True},
         "uses DoRA, whose change depends on the base"),
    ],
)  # fmt: skip
def test_what_depends_on_the_base_is_refused(
    tmp_path: Path, tensors: dict[str, Tensor], config: dict[str, Any], words: str
) -> None:
    folder = write_adapter(tmp_path / "x", factors(UP, 10, 6, 2) | tensors, **config)
    with pytest.raises(CompatibilityError, match=words):
        merge_adapters(make_recipe("linear", ["x"]), {"x": read_adapter(folder, "x")})


def test_adapters_of_different_bases_are_refused(tmp_path: Path) -> None:
    sizes = {"a": 6, "b": 8}
    made = {
        n: read_adapter(write_adapter(tmp_path / n, factors(UP, 10, size, 2)), n)
        for n, size in sizes.items()
    }
    with pytest.raises(CompatibilityError, match=r"\(10, 6\) in a and \(10, 8\) in b"):
        merge_adapters(make_recipe("linear", ["a", "b"]), made)


def test_the_command_writes_an_adapter_and_tells_the_energy(
    two: dict[str, AdapterFile], tmp_path: Path, capsys: Any
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "format: merge-explorer/1\nmethod: ties\nexperts: [{adapter: a}, {adapter: b}]\n"
    )
    out = tmp_path / "out"
    assert main(["merge", str(recipe), "--out", str(out), "--as-adapter", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["how"] == "cut" and set(told["modules"]) == {Q, UP, EMBED}
    assert 0.1 < told["energy_kept"] < 1.0
    report = json.loads((out / "merge_report.json").read_text())
    assert report["energy_kept"] == told["energy_kept"]
    assert read_adapter(out, "out").config.rank == 2
    # Without the option the largest rank of the inputs is taken.
    assert main(["merge", str(recipe), "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert "rank 3" in capsys.readouterr().out
    assert main(["merge", str(recipe), "--out", str(out), "--quiet"]) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize("failed", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_full_disk_leaves_no_folder(
    two: dict[str, AdapterFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: str
) -> None:
    merged = merge_adapters(make_recipe("linear", ["a", "b"]), two)
    before = sorted(tmp_path.iterdir())

    def full(path: Path, *given: Any) -> None:
        if path.name == failed:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.touch()

    with monkeypatch.context() as patch, pytest.raises(ResourceError, match="No space left"):
        patch.setattr(Path, "write_bytes", full)
        patch.setattr(Path, "write_text", full)
        write_merged(merged, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before
