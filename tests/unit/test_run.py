"""Carrying out a plan: types, refusals in the middle, cancel, reports."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from builders import State, checkpoints, experts, merge, merge_rows, row, state
from torch import Tensor, tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import Plan, make_plan, run
from merging.errors import Cancelled, CompatibilityError, ResourceError
from merging.recipe import make_recipe

SUM = make_recipe("task_arithmetic", ["a"], params={"scale": 1.0})


def plan(base: State, recipe: Any = SUM, **models: State) -> Plan:
    return make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(models))


# --- Numbers --------------------------------------------------------------------------------------


def test_float64_stays_float64() -> None:
    """A change of 1e-12 on 1 is lost in float32."""
    base, model = (tensor([value], dtype=torch.float64) for value in (1.0, 1 + 1e-12))
    found = merge(SUM, {"w": base}, {"a": {"w": model}})["w"]
    assert found.dtype == torch.float64
    assert found.item() == 1 + 1e-12


def test_float64_in_one_model_is_enough() -> None:
    third, one = {"w": tensor([1 / 3], dtype=torch.float64)}, {"w": row(1)}
    assert merge(SUM, third, {"a": one})["w"].item() == pytest.approx(1.0, abs=1e-15)
    found = merge(make_recipe("linear", ["a", "b"]), None, {"a": third, "b": one})["w"]
    assert found.item() == pytest.approx(2 / 3, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_small_types_round_once(dtype: torch.dtype) -> None:
    """Computed in float32 and rounded at the end, not after every step."""
    source = torch.Generator().manual_seed(0)
    models = {n: torch.randn(1000, generator=source).to(dtype) for n in ("base", "a", "b", "c")}
    base = models.pop("base")
    recipe = make_recipe("task_arithmetic", list(models), params={"scale": 0.3})
    found = merge(recipe, {"w": base}, {n: {"w": m} for n, m in models.items()})["w"]
    deltas = torch.stack([m.float() - base.float() for m in models.values()])
    want = base.float() + (deltas * 1.0).sum(0) * 0.3
    assert found.dtype == dtype
    assert torch.equal(found, want.to(dtype))
    stepwise = base + sum(m - base for m in models.values()) * 0.3
    assert not torch.equal(found, stepwise)


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_the_recipe_chooses_the_output_type(name: str) -> None:
    recipe = SUM.patched(dtype=name)
    found = merge(recipe, {"w": row(1.0)}, {"a": {"w": row(1.001)}})["w"]
    assert found.dtype == getattr(torch, name)
    assert found.item() == row(1.001).to(found.dtype).item()


def test_the_base_decides_the_type_otherwise() -> None:
    half = {"w": row(1).half()}
    assert merge(SUM, half, {"a": {"w": row(2)}})["w"].dtype == torch.float16


def test_masks_can_be_handed_in() -> None:
    @dataclass
    class Every:
        def keep(self, name: str, expert: str, start: int, count: int, rate: float) -> Tensor:
            return torch.arange(start, start + count) % 2 == 0

    recipe = make_recipe("dare", ["a"], params={"drop_rate": 0.5, "scale": 1.0})
    found = merge(recipe, {"w": row(0, 0, 0)}, {"a": {"w": row(1, 2, 3)}}, masks=Every())
    assert found["w"].tolist() == [2, 0, 6]


def test_a_global_trim_ranks_over_the_whole_model() -> None:
    """Five of ten entries, the large ones of both tensors together (and one more, by the rule)."""
    model = {"v": row(1, 2, 3, 4, 5), "w": row(6, 7, 8, 9, 10)}
    zero = {n: torch.zeros(5) for n in model}
    recipe = make_recipe("ties", ["a"], params={"density": 0.5})
    found = merge(recipe, zero, {"a": model})
    assert {n: t.tolist() for n, t in found.items()} == {
        "v": [0, 0, 0, 0, 5],
        "w": [6, 7, 8, 9, 10],
    }


def test_inputs_are_left_as_they_were() -> None:
    base, models = state(0), experts(state(0), 2, seed=1)
    before = {n: {k: t.clone() for k, t in m.items()} for n, m in models.items()}
    for method in ("linear", "task_arithmetic", "ties", "dare", "dare_ties"):
        merge(make_recipe(method, list(models)), base, models)
    assert all(torch.equal(before[n][k], models[n][k]) for n in models for k in base)
    assert all(torch.equal(base[k], t) for k, t in state(0).items())


# --- Refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("who", ["base", "a"])
@pytest.mark.parametrize("method", ["linear", "task_arithmetic", "ties", "dare", "dare_ties"])
def test_a_damaged_weight_names_model_and_tensor(method: str, who: str, bad: float) -> None:
    if method == "linear" and who == "base":
        return  # the average never reads the base
    models = {n: {"v": row(1, 2), "w": row(1, 2)} for n in ("base", "a", "b")}
    models[who] = {"v": row(1, 2), "w": row(1, bad)}
    base = models.pop("base")
    with pytest.raises(CompatibilityError, match=f"{who} holds a number in 'w' that is infinite"):
        merge(make_recipe(method, ["a", "b"]), base, models)


def test_a_result_too_large_for_its_type() -> None:
    half = {"w": row(60_000).half()}
    recipe = SUM.patched(params={"scale": 10.0})
    with pytest.raises(CompatibilityError, match=r"merged 'w' does not fit float16.*Lower λ"):
        merge(recipe, {"w": row(0).half()}, {"a": half})
    assert merge(recipe.patched(dtype="float32"), {"w": row(0).half()}, {"a": half})["w"] == 6e5


# --- Progress, cancel, memory ---------------------------------------------------------------------


def test_progress_grows_from_0_to_1() -> None:
    seen: list[tuple[float, str]] = []
    models = experts(state(0), 1, seed=1)
    made = plan(state(0), make_recipe("ties", ["e0"]), **models)
    run(made, lambda done, word: seen.append((done, word)), device="cpu")
    shares = [done for done, _ in seen]
    assert shares == sorted(shares)
    assert seen[-1] == (1.0, "merged")
    assert seen[0] == (0.0, "look at the weights")
    assert any(word == "merge norm.weight" for _, word in seen)


@pytest.mark.parametrize("method", ["task_arithmetic", "ties"])
def test_cancel_stops_at_the_next_tensor(method: str) -> None:
    asked: list[str] = []

    def cancel(done: float, word: str) -> None:
        asked.append(word)
        if len(asked) == 3:
            raise Cancelled("stop")

    models = experts(state(0), 1, seed=1)
    made = plan(state(0), make_recipe(method, ["e0"]), **models)
    with pytest.raises(Cancelled, match="stop"):
        run(made, cancel, device="cpu")
    assert len(asked) == 3


@dataclass(frozen=True)
class Heavy(MemoryCheckpoint):
    """A model that is too large to read."""

    error: BaseException = field(default_factory=MemoryError)

    def load(self, name: str) -> Tensor:
        raise self.error


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_out_of_memory_is_said_in_words(error: BaseException) -> None:
    model = {"w": torch.zeros(1000, 1000)}
    made = make_plan(SUM, MemoryCheckpoint("base", model), {"a": Heavy("a", model, error)})
    with pytest.raises(ResourceError, match=r"memory on cpu for 1 expert\(s\) of 1.0 M weights"):
        run(made, device="cpu")


# --- Outcome --------------------------------------------------------------------------------------


def test_the_report_has_one_entry_for_each_tensor() -> None:
    base = {"w": row(1), "ids": torch.arange(2), "head.weight": row(1)}
    model = {**base, "w": row(2), "head.weight": row(1, 2), "score.weight": row(1)}
    outcome = run(plan(base, a=model), device="cpu")
    assert [(r.tensor, r.action) for r in outcome.report] == [
        ("head.weight", "copy"),
        ("ids", "copy"),
        ("score.weight", "leave_out"),
        ("w", "merge"),
    ]
    assert all(r.reason for r in outcome.report)
    assert {n: t.tolist() for n, t in outcome.tensors.items()} == {
        "w": [2],
        "ids": [0, 1],
        "head.weight": [1],
    }
    assert (outcome.device, outcome.folder, outcome.recipe) == ("cpu", None, SUM)
    assert outcome.seconds >= 0


@pytest.mark.parametrize("method", ["linear", "task_arithmetic", "ties", "dare", "dare_ties"])
@pytest.mark.parametrize("dialect", ["paper", "mergekit"])
def test_single_numbers_and_empty_tensors_are_merged_too(method: str, dialect: str) -> None:
    base = {"w": row(0, 0), "none": torch.zeros(2, 0), "logit_scale": tensor(1.0)}
    model = {"w": row(1, 2), "none": torch.zeros(2, 0), "logit_scale": tensor(3.0)}
    params = {"density": 1.0} if "ties" in method else {}
    params |= {"scale": 1.0} if method != "linear" else {}
    params |= {"drop_rate": 0.0} if "dare" in method else {}
    recipe = make_recipe(method, ["a"], dialect=dialect, params=params)
    found = merge(recipe, base, {"a": model})
    assert {n: t.tolist() for n, t in found.items()} == {
        "w": [1, 2],
        "none": [[], []],
        "logit_scale": 3.0,
    }


def test_the_row_helper_merges_what_it_says() -> None:
    assert merge_rows("task_arithmetic", row(1), tensor([[2.0]]), params={"scale": 1}).item() == 3


@pytest.mark.parametrize("device", ["tpu", "", "cuda;rm"])
def test_devices_that_are_none(device: str) -> None:
    made = plan({"w": torch.ones(2)}, a={"w": torch.ones(2)})
    with pytest.raises(ResourceError, match=r"Cannot compute on .* Choose cpu or cuda\."):
        run(made, device=device)
