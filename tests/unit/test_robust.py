"""Tensors that no method may treat like any other: what is done to them, and what the report says.

Types, frozen and tied tensors, integers and booleans, BatchNorm, vocabularies, heads.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import State, checkpoints, merge, row
from safetensors.torch import load_file
from torch import Tensor, tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import Outcome, make_plan, run
from merging.engine.output import write_model
from merging.engine.tied import tied_names
from merging.errors import CompatibilityError
from merging.methods.registry import METHODS
from merging.recipe import Recipe, make_recipe


def outcome(recipe: Recipe, base: State | None, models: Mapping[str, State]) -> Outcome:
    start = MemoryCheckpoint("base", base) if base is not None else None
    return run(make_plan(recipe, start, checkpoints(models)), device="cpu")


def told(found: Outcome) -> dict[str, tuple[str, str]]:
    return {r.tensor: (r.action, r.reason) for r in found.report}


def refusal(base: State, **models: State) -> str:
    recipe = make_recipe("task_arithmetic", list(models))
    with pytest.raises(CompatibilityError) as caught:
        outcome(recipe, base, models)
    return str(caught.value)


SUM = make_recipe("task_arithmetic", ["a", "b"], params={"scale": 1.0})

# --- Types ----------------------------------------------------------------------------------------


def test_float64_in_one_expert_widens_all_task_vectors() -> None:
    """b's change of 2 - 0.1 is one rounding off in float32; a's type says to compute in float64."""
    base = row(0.1)
    a = base.double() + 1e-12
    found = merge(SUM, {"w": base}, {"a": {"w": a}, "b": {"w": row(2.0)}})["w"]
    assert found.dtype == torch.float32
    linear = make_recipe("linear", ["a", "b"])
    found = merge(linear, None, {"a": {"w": a}, "b": {"w": row(2.0)}})["w"]
    assert found.item() == (base.double().item() + 1e-12 + 2.0) / 2


@pytest.mark.parametrize("name", ["task_arithmetic", "opcm", "tall_masks", "knots_ties"])
def test_a_wide_expert_widens_its_tensor_in_every_kind_of_method(name: str) -> None:
    """1 + 2**-40 is 1 in float32; a change that small survives only in float64."""
    base = {"w": torch.ones(2, 2, dtype=torch.float64), "v": torch.ones(2)}
    near = {"w": base["w"] + 2.0**-40, "v": torch.ones(2)}
    plain = {"w": torch.ones(2, 2), "v": torch.ones(2)}
    params = {"scale": 1.0} if name in ("task_arithmetic", "knots_ties") else {}
    found = merge(make_recipe(name, ["a", "b"], params=params), base, {"a": near, "b": plain})
    assert found["w"].dtype == torch.float64
    if name != "knots_ties":  # it cuts singular values below 1e-5
        assert bool((found["w"] > 1).all())


def test_a_copied_head_takes_the_type_of_the_recipe() -> None:
    base = {"w": row(1), "head.weight": row(1, 2), "ids": tensor([3])}
    models = {"a": base | {"head.weight": row(1, 2, 3)}}
    recipe = make_recipe("task_arithmetic", ["a"], dtype="bfloat16")
    found = merge(recipe, base, models)
    assert {n: t.dtype for n, t in found.items()} == {
        "w": torch.bfloat16,
        "head.weight": torch.bfloat16,
        "ids": torch.int64,
    }


# --- Frozen ---------------------------------------------------------------------------------------

FROZEN = "equal in all models, so there is no change to merge"
AVERAGES = [m.id for m in METHODS if m.idempotent and m.whole is None and not m.needs.data]


@pytest.mark.parametrize("name", AVERAGES)
def test_a_frozen_tensor_stays_bit_for_bit(name: str) -> None:
    """An average of equal numbers may round to the next number; a frozen tensor must not move."""
    source = torch.Generator().manual_seed(5)
    frozen = torch.randn(7, 50, generator=source)
    base = {"frozen": frozen, "w": torch.randn(4, 4, generator=source)}
    spec = next(m for m in METHODS if m.id == name)
    ids = ["a", "b", "c"][: spec.needs.most or 3]
    models = {i: base | {"w": torch.randn(4, 4, generator=source)} for i in ids}
    weights = (
        dict(zip(ids, (0.3, 0.7, 0.1), strict=False)) if spec.weighted else dict.fromkeys(ids, 1.0)
    )
    found = outcome(make_recipe(name, weights), base, models)
    assert torch.equal(found.tensors["frozen"], frozen)
    assert told(found)["frozen"] == ("merge", FROZEN)
    assert told(found)["w"] == ("merge", f"over {len(ids)} expert(s)")


def test_weights_that_are_factors_scale_a_frozen_tensor_too() -> None:
    recipe = make_recipe("linear", {"a": 0.5, "b": 0.25}, params={"normalize": False})
    same = {"w": row(4, 8)}
    assert merge(recipe, None, {"a": same, "b": same})["w"].tolist() == [3, 6]


def test_a_tensor_that_only_the_base_has_otherwise_is_not_frozen() -> None:
    found = outcome(
        make_recipe("linear", ["a", "b"]), {"w": row(0)}, {k: {"w": row(1)} for k in "ab"}
    )
    assert told(found)["w"] == ("merge", "over 2 expert(s)")


# --- Tied -----------------------------------------------------------------------------------------

EMBEDDING = "model.embed_tokens.weight"


def tied(values: list[float], shared: bool = True, **rest: Tensor) -> State:
    """A model whose output layer repeats its embedding."""
    matrix = row(*values).reshape(2, -1)
    return {"lm_head.weight": matrix if shared else matrix.clone(), EMBEDDING: matrix, **rest}


BASE = tied([0, 0, 0, 0], w=torch.zeros(4))
ONE = tied([1, 2, 3, 4], w=row(5, 6, 7, 8))


@pytest.mark.parametrize("shared", [True, False])
def test_tied_weights_are_merged_once_and_stay_tied(shared: bool) -> None:
    models = {"a": tied([1, 2, 3, 4], shared, w=row(5, 6, 7, 8))}
    recipe = make_recipe("dare", ["a"], params={"drop_rate": 0.5, "scale": 1.0}, seed=4)
    found = outcome(recipe, BASE, models)
    assert torch.equal(found.tensors["lm_head.weight"], found.tensors[EMBEDDING])
    assert told(found)["lm_head.weight"] == (
        "tie",
        f"tied to {EMBEDDING}: the same values in all models, counted once",
    )
    assert told(found)[EMBEDDING][0] == "merge"


def test_a_global_trim_ranks_tied_weights_once() -> None:
    """Of the eight changes 1 to 8 the upper half is w. Counted twice, 4 would be let in too."""
    recipe = make_recipe("ties", ["a"], params={"density": 3 / 8, "scale": 1.0})
    found = merge(recipe, BASE, {"a": ONE})
    assert found["w"].tolist() == [5, 6, 7, 8]
    assert found[EMBEDDING].tolist() == [[0, 0], [0, 0]]
    untied = {n: t for n, t in ONE.items() if n != "lm_head.weight"}
    start = {n: t for n, t in BASE.items() if n != "lm_head.weight"}
    alone = merge(recipe, start, {"a": untied})
    assert all(torch.equal(found[n], alone[n]) for n in alone)


def test_an_expert_that_stores_one_of_two_tied_names() -> None:
    """Its output layer is its embedding: the base's old one must not be kept beside the merge."""
    base = tied([1, 1, 1, 1], w=row(0))
    model = {EMBEDDING: tensor([[2.0, 2], [2, 2]]), "w": row(0)}
    recipe = make_recipe("task_arithmetic", ["a"], params={"scale": 1.0})
    found = merge(recipe, base, {"a": model})
    assert found["lm_head.weight"].tolist() == found[EMBEDDING].tolist() == [[2, 2], [2, 2]]


def test_an_expert_that_stores_a_tied_name_more_is_told() -> None:
    base = {EMBEDDING: torch.zeros(2, 2), "w": row(0)}
    found = outcome(
        make_recipe("task_arithmetic", ["a"]), base, {"a": tied([1, 2, 3, 4], w=row(1))}
    )
    assert told(found)["lm_head.weight"] == ("leave_out", f"tied to {EMBEDDING} in a")
    assert "lm_head.weight" not in found.tensors


def test_many_matrices_that_look_alike_are_read_once_each() -> None:
    """Nearly empty matrices: comparing them in pairs took minutes on files of some gigabytes."""
    read: list[str] = []

    class Counting(MemoryCheckpoint):
        def load(self, name: str) -> torch.Tensor:
            read.append(f"{self.name} {name}")
            return super().load(name)

    zeros = {f"layers.{i}.weight": torch.zeros(4, 8) for i in range(30)}
    grown = {
        name: t.index_fill(0, torch.tensor([3]), i + 1.0)
        for i, (name, t) in enumerate(zeros.items())
    }
    base, expert = Counting("base", grown), Counting("a", {n: t + 1 for n, t in grown.items()})
    assert tied_names(base, [expert], set(grown)) == {}
    assert max(Counter(read).values()) == 2  # a look at the first values, and the digest
    assert tied_names(Counting("base", zeros), [Counting("a", zeros)], set(zeros)) == {}


def test_names_that_an_expert_untied_are_merged_each() -> None:
    other = tied([1, 2, 3, 4], False, w=row(5, 6, 7, 8))
    other["lm_head.weight"][0, 0] = 9
    recipe = make_recipe("task_arithmetic", ["a", "b"], params={"scale": 1.0})
    found = outcome(recipe, BASE, {"a": ONE, "b": other})
    assert {r.action for r in found.report} == {"merge"}
    assert found.tensors["lm_head.weight"][0, 0] == 10


@pytest.mark.parametrize("shape", [(3,), (3, 3)])
def test_what_nobody_changed_is_equal_by_chance(shape: tuple[int, ...]) -> None:
    base = {"a": torch.zeros(shape), "b": torch.zeros(shape), "w": row(0)}
    found = outcome(make_recipe("task_arithmetic", ["x"]), base, {"x": base | {"w": row(1)}})
    assert told(found)["b"] == ("merge", FROZEN)


def test_vectors_are_never_tied() -> None:
    base = {"a": row(0, 0), "b": row(0, 0)}
    model = {"x": {"a": row(1, 2), "b": row(1, 2)}}
    found = outcome(make_recipe("task_arithmetic", ["x"]), base, model)
    assert {r.action for r in found.report} == {"merge"}


def test_a_merge_of_tied_weights_can_be_written(tmp_path: Path) -> None:
    found = outcome(make_recipe("linear", ["a"]), BASE, {"a": ONE})
    write_model(found, {}, tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(written["lm_head.weight"], written[EMBEDDING])


# --- Integers, booleans, BatchNorm ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "other", "words"),
    [
        (torch.arange(3), torch.arange(3, dtype=torch.int32), "int64, equal in all models"),
        (tensor([True, False]), tensor([True, False]), "bool, equal in all models"),
        (tensor([1, 0], dtype=torch.uint8), tensor([True, False]), "uint8, equal in all models"),
    ],
)
def test_equal_integers_are_copied_in_the_references_type(
    value: Tensor, other: Tensor, words: str
) -> None:
    base = {"ids": value, "w": row(0)}
    found = outcome(SUM, base, {"a": {"ids": other, "w": row(1)}, "b": base})
    assert told(found)["ids"] == ("copy", words)
    assert torch.equal(found.tensors["ids"], value)
    assert found.tensors["ids"].dtype == value.dtype


def test_masks_that_differ_are_refused() -> None:
    base, other = ({"mask": tensor([True, flag]), "w": row(0)} for flag in (True, False))
    assert refusal(base, a=base, b=other) == (
        "'mask' holds bool and differs between base and b. Such tensors are never averaged: make "
        "them equal first."
    )


def batch_norm(mean: float, var: float, batches: int, weight: float) -> State:
    return {
        "bn.weight": row(weight),
        "bn.running_mean": row(mean),
        "bn.running_var": row(var),
        "bn.num_batches_tracked": tensor(batches),
    }


@pytest.mark.parametrize("name", ["linear", "task_arithmetic", "ties", "opcm"])
def test_batch_norm_statistics_stay_the_bases(name: str) -> None:
    """A sum of two changes of -0.6 would make the variance negative."""
    base = batch_norm(0.0, 1.0, 10, 1.0)
    models = {"a": batch_norm(0.5, 0.4, 20, 2.0), "b": batch_norm(0.7, 0.4, 30, 2.0)}
    found = outcome(make_recipe(name, ["a", "b"]), base, models)
    assert found.tensors["bn.running_mean"].item() == 0
    assert found.tensors["bn.running_var"].item() == 1
    assert found.tensors["bn.num_batches_tracked"].item() == 10
    assert found.tensors["bn.weight"].item() > 1
    statistics = (
        "BatchNorm statistics; base's are kept: measure them anew, by passing data through the "
        "merged model"
    )
    assert told(found)["bn.running_mean"] == told(found)["bn.running_var"] == ("copy", statistics)
    assert told(found)["bn.num_batches_tracked"] == (
        "copy",
        "counts batches and differs in a; base's is kept",
    )


def test_equal_counters_are_copied() -> None:
    base = batch_norm(0.0, 1.0, 10, 1.0)
    found = outcome(SUM, base, {"a": base, "b": base})
    assert told(found)["bn.num_batches_tracked"] == ("copy", "int64, equal in all models")


# --- Vocabularies and heads -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.weight",
        "embeddings.word_embeddings.weight",
        "transformer.wte.weight",
        "shared.weight",
        "tok_embeddings.weight",
    ],
)
def test_vocabularies_of_other_sizes_are_named_with_both_sizes(name: str) -> None:
    message = refusal({name: torch.zeros(32, 4)}, a={name: torch.zeros(34, 4)})
    assert message == (
        f"{name!r} has 32 rows in base and 34 in a: their vocabularies differ, and rows of "
        "different tokens cannot be averaged. Write tokenizer: union (or base) into the recipe, "
        "or resize with resize_token_embeddings(32) where the first 32 tokens are the same."
    )


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("embeddings.position_embeddings.weight", (34, 4)),
        ("embeddings.token_type_embeddings.weight", (34, 4)),
        ("embed_tokens.weight", (32, 5)),
        ("layers.0.q_proj.weight", (34, 4)),
    ],
)
def test_other_sizes_are_no_matter_of_vocabulary(name: str, shape: tuple[int, int]) -> None:
    message = refusal({name: torch.zeros(32, 4)}, a={name: torch.zeros(shape)})
    assert f"{name!r} is 32x4 in base and {shape[0]}x{shape[1]} in a." in message


def test_an_output_layer_of_another_vocabulary_alone_is_not_enough() -> None:
    """lm_head alone counts as a head; with its embedding the vocabulary differs and is refused."""
    base = {"lm_head.weight": torch.zeros(3, 2), EMBEDDING: torch.ones(3, 2)}
    other = {"lm_head.weight": torch.zeros(4, 2), EMBEDDING: torch.ones(4, 2)}
    assert f"{EMBEDDING!r} has 3 rows in base and 4 in a" in refusal(base, a=other)


def test_heads_say_what_became_of_them() -> None:
    base = {"w": row(0), "classifier.weight": row(1, 1)}
    models = {"a": base | {"w": row(1)}, "b": base | {"w": row(1), "score.weight": row(1)}}
    found = told(outcome(SUM, base, models))
    assert found["score.weight"] == (
        "leave_out",
        "a task head of b; heads are not merged, it stays with b",
    )
    models["a"]["classifier.weight"] = row(2, 2)
    assert told(outcome(SUM, base, models))["classifier.weight"] == (
        "merge",
        "over 2 expert(s); a task head: right only where its labels mean the same in all models",
    )


def test_two_heads_of_other_label_counts_stay_per_task() -> None:
    """Two experts without a base: the first one's head is kept, the second's stays with it."""
    models: dict[str, Any] = {
        "a": {"w": row(1), "classifier.weight": torch.ones(2, 3)},
        "b": {"w": row(3), "classifier.weight": torch.ones(5, 3)},
    }
    found = outcome(make_recipe("linear", ["a", "b"]), None, models)
    assert found.tensors["w"].item() == 2
    assert torch.equal(found.tensors["classifier.weight"], torch.ones(2, 3))
    reason = "a task head that differs in b; a's is kept"
    assert told(found)["classifier.weight"] == ("copy", reason)
