"""What a plan costs, counted from shapes and types alone."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import Plan, make_plan
from merging.engine.choice import SENDING, STARTING, Gpus, Load, choose
from merging.engine.chunks import CHUNK
from merging.engine.estimate import (
    FAST,
    FIXED_MEMORY,
    PROMISED,
    SPARE,
    Estimate,
    check_budget,
    estimate,
)
from merging.engine.places import DEVICE_CHUNK, KINDS, LANES, SMALLEST, Kind
from merging.errors import ResourceError
from merging.recipe import make_recipe

State = dict[str, Tensor]


def gpus(count: int, free: int = 0) -> Kind:
    """GPUs of which only the number and the free memory are asked."""

    def port(device: str) -> Any:
        raise AssertionError("nothing is computed here")

    return Kind(port, lambda: count, lambda device: free)


class Untouched(MemoryCheckpoint):
    """A model whose floating weights must not be read."""

    def load(self, name: str) -> Tensor:
        assert not self.state[name].is_floating_point(), f"{name} was read"
        return super().load(name)


def model(seed: int, dtype: torch.dtype = torch.bfloat16) -> State:
    source = torch.Generator().manual_seed(seed)
    shapes = {"w": (30, 7), "v": (5,), "score.weight": (2 + seed, 4)}
    state = {n: torch.randn(s, generator=source).to(dtype) for n, s in shapes.items()}
    return state | {"ids": torch.arange(3)}


def plan_of(
    method: str, dtype: torch.dtype = torch.bfloat16, kind: Any = MemoryCheckpoint, **fields: Any
) -> Plan:
    models: Mapping[str, Any] = {n: kind(n, model(i, dtype)) for i, n in enumerate("xab")}
    return make_plan(make_recipe(method, ["a", "b"], **fields), models["x"], models)


def test_tensors_and_bytes_are_counted() -> None:
    """215 weights are merged; a head of 2 x 4 that differs and 3 indices are copied."""
    told = estimate(plan_of("task_arithmetic"), "cpu", threads=3)
    assert (told.tensors, told.merged, told.copied, told.left_out) == (4, 2, 2, 0)
    copied = 8 * 2 + 3 * 8
    assert told.read_bytes == 3 * 215 * 2 + copied
    assert told.written_bytes == 215 * 2 + copied
    assert (told.passes, told.chunk, told.workers) == (1, CHUNK, 3)
    assert told.memory == FIXED_MEMORY + 3 * 3 * 4 * (CHUNK + SPARE)
    assert told.seconds == 3 * 215 * 2 / FAST
    assert (told.streams, told.longest_call) == (True, "")
    assert (told.device, told.why) == ("cpu", "asked for")


def test_no_weight_is_read() -> None:
    plan = plan_of("task_arithmetic")
    unread = {m.name: Untouched(m.name, dict(m.state)) for m in (plan.base, *plan.experts)}  # type: ignore[union-attr]
    again = replace(plan, base=unread["x"], experts=(unread["a"], unread["b"]))
    assert estimate(again, "cpu") == estimate(plan, "cpu")


def test_the_output_type_decides_what_is_written() -> None:
    told = estimate(plan_of("task_arithmetic"), "cpu")
    models = {n: MemoryCheckpoint(n, model(i)) for i, n in enumerate("xab")}
    recipe = make_recipe("task_arithmetic", ["a", "b"], dtype="float32")
    wide = estimate(make_plan(recipe, models["x"], models), "cpu")
    assert wide.written_bytes == (215 + 8) * 4 + 3 * 8
    assert wide.read_bytes == told.read_bytes


def test_double_precision_takes_twice_the_memory() -> None:
    told = estimate(plan_of("task_arithmetic", torch.float64), "cpu", threads=1)
    assert told.memory == FIXED_MEMORY + 3 * 8 * (CHUNK + SPARE)


def test_ties_are_copied_and_read_once() -> None:
    shared = torch.randn(6, 2, generator=torch.Generator().manual_seed(1))
    state = {"embed.weight": shared, "lm_head.weight": shared}
    other = {n: t + 1 for n, t in state.items()}
    models = {"x": MemoryCheckpoint("x", state), "a": MemoryCheckpoint("a", other)}
    told = estimate(make_plan(make_recipe("task_arithmetic", ["a"]), models["x"], models), "cpu")
    assert (told.merged, told.copied) == (1, 1)
    assert (told.read_bytes, told.written_bytes) == (2 * 12 * 4, 2 * 12 * 4)


@pytest.mark.parametrize(
    ("method", "fields", "passes"),
    [
        ("linear", {}, 1),
        ("ties", {"dialect": "mergekit", "params": {"density": 0.5}}, 1),
        ("ties", {}, 3),
        ("ties", {"params": {"zero_sign": "plus"}}, 2),
        ("dare", {}, 1),
        ("dare_ties", {}, 2),
    ],
)
def test_what_streams_takes_as_many_passes_as_it_asks(
    method: str, fields: dict[str, Any], passes: int
) -> None:
    """A global trim ranks the model first, and a tied vote asks for the model's majority."""
    told = estimate(plan_of(method, **fields), "cpu", threads=2)
    assert (told.passes, told.streams) == (passes, True)
    assert told.memory == FIXED_MEMORY + 2 * 3 * 4 * (CHUNK + SPARE)
    assert told.read_bytes == passes * 3 * 215 * 2 + 40


@pytest.mark.parametrize(
    ("method", "held", "why"),
    [
        ("della", 0, "it ranks changes within each row of a tensor"),
        ("pcb", 215, "it ranks scores over the whole model"),
        ("emr", 215, "it works on whole models"),
    ],
)
def test_what_looks_at_more_holds_more(method: str, held: int, why: str) -> None:
    """Three copies of the largest tensor's stack, and the model where it is looked at as one."""
    told = estimate(plan_of(method), "cpu")
    assert (told.streams, told.passes, told.chunk) == (False, 1, 210)
    assert told.whole_for == why
    assert told.memory == FIXED_MEMORY + 3 * 4 * (3 * 210 + held)


def test_chunks_shrink_to_fit_a_budget() -> None:
    plan = plan_of("ties")
    chunk = CHUNK // 4
    budget = FIXED_MEMORY + 2 * 3 * 4 * (chunk + SPARE)
    told = estimate(plan, "cpu", budget, threads=2)
    assert (told.chunk, told.memory) == (chunk, budget)
    least = estimate(plan, "cpu", 1, threads=2)
    assert (least.chunk, least.memory) == (SMALLEST, FIXED_MEMORY + 2 * 3 * 4 * (SMALLEST + SPARE))


def test_many_threads_take_smaller_chunks_so_that_the_promise_is_kept() -> None:
    """600 MB and three chunks of every model, without a budget too."""
    models = {f"e{i}": MemoryCheckpoint(f"e{i}", model(0)) for i in range(9)}
    recipe = make_recipe("task_arithmetic", [f"e{i}" for i in range(1, 9)])
    plan = make_plan(recipe, models["e0"], models)
    for threads, chunk in ((2, CHUNK), (4, CHUNK), (16, CHUNK // 4), (24, CHUNK // 16)):
        told = estimate(plan, "cpu", threads=threads)
        assert told.chunk == chunk
        assert told.memory <= PROMISED + 3 * 9 * 4 * CHUNK
    assert estimate(plan, "cpu", 10**10, threads=24).chunk == CHUNK


def test_sizes_that_are_gathered_count_where_they_are_many() -> None:
    """A bracket of 18 deviations of a sample of 64 runs of 1,024: a wide type has as many sizes."""
    shape, told = (1500, 1000), {}
    for dtype in (torch.bfloat16, torch.float32):
        states = {n: {"w": torch.full(shape, i, dtype=dtype)} for i, n in enumerate("xab")}
        models = {n: MemoryCheckpoint(n, s) for n, s in states.items()}
        for density in (0.3, 1.0):
            recipe = make_recipe("ties", ["a", "b"], params={"density": density})
            plan = make_plan(recipe, models["x"], models)
            told[dtype, density] = estimate(plan, "cpu", threads=1).memory
    plain = FIXED_MEMORY + 3 * 4 * (CHUNK + SPARE)
    gathered = 12 * 2 * int(9 * 1_500_000 / 256)
    assert told[torch.float32, 0.3] == plain + gathered
    assert [told[torch.bfloat16, d] for d in (0.3, 1.0)] == [plain, plain]
    assert told[torch.float32, 1.0] == plain


def test_an_svd_is_named() -> None:
    told = estimate(plan_of("tsv_m"), "cpu")
    assert (told.longest_call, told.streams) == ("an SVD of 30 x 7", False)


def test_the_device_is_chosen_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of("linear")
    monkeypatch.setitem(KINDS, "cuda", gpus(0))
    told = estimate(plan)
    assert (told.device, told.why) == ("cpu", "there is no CUDA device")
    with pytest.raises(ResourceError, match="There is no CUDA device"):
        estimate(plan, "cuda")
    monkeypatch.setitem(KINDS, "cuda", gpus(2, 1 << 34))
    told = estimate(plan)
    assert told.device == "cpu"
    assert told.why == (
        "too little for a GPU to pay: 1.29 KB take about 0.0 s on the CPU and 2.0 s on 2 GPUs "
        "(estimated)"
    )
    told = estimate(plan, "cuda")
    assert (told.device, told.why) == ("cuda", "asked for; all 2 GPUs")
    assert (told.chunk, told.workers) == (DEVICE_CHUNK, 2 * LANES)
    assert told.seconds == pytest.approx(STARTING + 3 * 215 * 2 / (2 * SENDING))
    assert estimate(plan, "cuda:1").why == "asked for"
    with pytest.raises(ResourceError, match=r"There is no cuda:2: .* are cuda:0 to cuda:1"):
        estimate(plan, "cuda:2")


def test_what_lies_on_a_device_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason that goes before the size; here torch's device without data stands for a GPU."""
    monkeypatch.setitem(KINDS, "cuda", gpus(1, 1 << 34))
    state = {"w": torch.zeros(30, 7, device="meta")}
    base, expert = (MemoryCheckpoint(n, state) for n in "xa")
    plan = make_plan(make_recipe("linear", ["a"]), base, {"a": expert})
    assert (estimate(plan).device, estimate(plan).why) == ("cuda", "the weights lie there")


def test_a_device_with_little_memory_gets_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lanes of five stacks of three rows of four bytes, in 80 % of what is free."""
    plan, chunk = plan_of("ties"), DEVICE_CHUNK // 8
    needed = 2 * 5 * 3 * 4 * chunk
    for free, size in ((needed / 0.8 + 1, chunk), (needed / 0.8 - 1, chunk // 2)):
        monkeypatch.setitem(KINDS, "cuda", gpus(1, int(free)))
        assert estimate(plan, "cuda").chunk == size


@pytest.mark.parametrize(
    ("load", "there", "device", "why"),
    [
        ({}, Gpus(0, 0), "cpu", "there is no CUDA device"),
        ({"moved": 10**9}, Gpus(1, 10**10), "cpu", "1 GB take about 1.0 s on the CPU and 2.1 s"),
        ({}, Gpus(1, 10**10), "cuda", "80 GB take about 80.0 s on the CPU and 12.0 s on a GPU"),
        ({}, Gpus(4, 10**10), "cuda", "80.0 s on the CPU and 4.5 s on 4 GPUs (estimated)"),
        ({"streams": False}, Gpus(1, 10**10), "cuda", "and 20.0 s on a GPU (estimated)"),
        ({"needed": 9 * 10**9}, Gpus(1, 10**10), "cpu", "hold 9 GB at once, and 10 GB of"),
        ({"needed": 8 * 10**9}, Gpus(1, 10**10), "cuda", "(estimated)"),
        ({"moved": 1, "lying": True}, Gpus(1, 10**10), "cuda", "the weights lie there"),
    ],
    ids=str,
)
def test_the_choice_follows_from_bytes_and_rates(
    load: dict[str, Any], there: Gpus, device: str, why: str
) -> None:
    given: dict[str, Any] = {"moved": 8 * 10**10, "rate": 1e9, "streams": True, "needed": 10**8}
    found = choose(Load(**given | load), there)
    assert found.device == device and why in found.why


def test_a_budget_that_is_too_small_is_refused() -> None:
    told: Estimate = replace(estimate(plan_of("linear"), "cpu"), memory=2_000_000_000)
    check_budget(told, None)
    check_budget(told, 2_000_000_000)
    with pytest.raises(ResourceError) as caught:
        check_budget(told, 1_999_999_999)
    assert str(caught.value) == (
        "The merge needs about 2 GB of memory, and 2 GB are allowed. "
        "Allow more with --memory, or take fewer experts or another method."
    )
    with pytest.raises(ResourceError, match=r"cannot work in small pieces: it ranks rows\. Allow"):
        check_budget(replace(told, streams=False, whole_for="it ranks rows"), 10**9)
