"""The same results on a GPU; skipped where there is none.

What a GPU shares with any device (who waits for whom, what lies where) is tested without one in
``test_lanes``; here is what only the real one can show.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from builders import State
from test_stream import BLOCK, OPTIONS, STREAMED, models, planned
from test_stream import recipe_of as recipe
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import Plan, make_plan, run
from merging.engine.job import Job
from merging.engine.lanes import DeviceLane
from merging.engine.places import KINDS, LANES, devices_of
from merging.engine.sink import Memory, Tied, outputs_of
from merging.engine.streaming import stream_into
from merging.engine.tensorwise import merge_into
from merging.methods.device_selection import order_there
from merging.methods.kernels import per_expert
from merging.methods.masks import HashMasks, hash_bits, kept
from merging.methods.registry import METHODS, method
from merging.recipe import make_recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

UNIT = 2.0**-21  # of |base| + sum |w delta|
BALANCED = 2.0**-20  # of the mass of a vote: below it the sign is rounding's
NORM = 1e-5


def on(plan: Plan, device: str, merge: Any = stream_into, **how: Any) -> State:
    sink = Memory.of(outputs_of(plan))
    with torch.no_grad():
        merge(Job(plan, device, HashMasks(plan.recipe.seed, device), **how), Tied.of(sink, plan))
    return sink.tensors


def devices() -> Iterator[str]:
    yield "cuda"
    yield from devices_of("cuda")


# --- Masks and selection --------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 5, (1 << 32) - 50_000])
def test_masks_are_the_same_on_every_device(start: int) -> None:
    here = hash_bits(7, "layer.weight", "digits", start, 300_001)
    for device in devices():
        there = hash_bits(7, "layer.weight", "digits", start, 300_001, device)
        assert torch.equal(here, there.cpu())
        for rate in (0.0, 0.3, 0.9, 1.0):
            assert torch.equal(kept(here, rate), kept(there, rate).cpu())
        rates = torch.linspace(0, 1, len(here))
        assert torch.equal(kept(here, rates), kept(there, rates.to(device)).cpu())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_kth_size_is_what_a_sort_gives(dtype: torch.dtype) -> None:
    source = torch.Generator().manual_seed(1)
    noise = torch.randn(1_000_003, generator=source, dtype=dtype)
    for numbers in (noise, noise.bfloat16().to(dtype), -torch.zeros_like(noise)):
        ordered, there = numbers.abs().sort().values, numbers.to("cuda")
        for k in (1, 1000, 700_000, 1_000_003):
            found, size = order_there(there, k), ordered[k - 1]
            assert found.size == size.item()
            assert found.above == int((ordered > size).sum())
            assert found.ties == (int((ordered == size).sum()),)


# --- Merged values --------------------------------------------------------------------------------


def assert_near(found: State, want: State, plan: Plan) -> None:
    """Hold the tolerance; where votes nearly cancel signs may differ, in few coordinates."""
    excepted, total = 0, 0
    weights = plan.recipe.settings().each["weight"]
    for name, tensor in want.items():
        base = plan.base.load(name).double() if plan.base else torch.zeros(())
        moves = torch.stack([m.load(name).double() - base for m in plan.experts])
        votes = moves * per_expert(weights, moves)
        mass = votes.abs().sum(0)
        near = (votes.sum(0).abs() < BALANCED * mass) | (
            moves.sum(0).abs() < BALANCED * moves.abs().sum(0)
        )
        off = (found[name].double() - tensor.double()).abs() > UNIT * (base.abs() + mass)
        assert not (off & ~near).any(), f"{name}: {int((off & ~near).sum())} of {off.numel()}"
        excepted, total = excepted + int((off & near).sum()), total + off.numel()
    assert excepted <= total / 1000, f"{excepted} of {total} coordinates excepted"


def float32(plan_of: str, dialect: str, count: int = 3, **params: Any) -> Plan:
    """A plan whose results are not rounded to a small type."""
    return planned(recipe(plan_of, dialect, count, **params), torch.float32)


@pytest.mark.parametrize(("name", "dialect"), STREAMED)
def test_merged_values_are_near(name: str, dialect: str) -> None:
    plan = float32(name, dialect)
    want = on(plan, "cpu", merge_into)
    for device in devices():
        assert_near(on(plan, device, chunk=2 * BLOCK), want, plan)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: o["trim_scope"] + o.get("trim_rule", ""))
def test_streaming_equals_tensor_by_tensor(options: dict[str, Any]) -> None:
    plan = planned(recipe("ties", "paper", 4, **options))
    want = on(plan, "cuda:0", merge_into)
    for chunk in (BLOCK, 3 * BLOCK, 1 << 24):
        found = on(plan, "cuda", chunk=chunk)
        assert all(torch.equal(found[n], want[n]) for n in want)


@pytest.mark.parametrize("name", ["ties", "dare", "task_arithmetic"])
def test_two_streams_give_the_same_as_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many times: a copy that is not waited for shows only now and then."""
    plan = planned(recipe(name, "mergekit", 4))
    monkeypatch.setattr("merging.engine.streaming.LANES", 1)
    want = on(plan, "cuda:0", chunk=BLOCK)
    monkeypatch.setattr("merging.engine.streaming.LANES", LANES)
    for _ in range(20):
        found = on(plan, "cuda:0", chunk=BLOCK)
        assert all(torch.equal(found[n], want[n]) for n in want)


def test_a_lane_carries_numbers_there_and_back() -> None:
    lane = DeviceLane(KINDS["cuda"].port("cuda:0"), BLOCK)
    source = torch.Generator().manual_seed(0)
    for round_ in range(50):
        stored = [torch.randn(1 << 20, generator=source).bfloat16() for _ in range(3)]
        out = torch.empty(1 << 20, dtype=torch.bfloat16)
        with lane.at_work():
            one, two, three = lane.bring(stored)
            lane.take(one + two + three, out)
        assert torch.equal(out, stored[0] + stored[1] + stored[2]), round_


def test_weights_and_results_may_lie_on_the_device() -> None:
    base, made = models(3, torch.bfloat16)
    there = {
        n: MemoryCheckpoint(n, {t: v.to("cuda:0") for t, v in m.items()})
        for n, m in {"base": base, **made}.items()
    }
    plan = make_plan(recipe("ties", "mergekit", 3), there.pop("base"), there)
    sink = Memory.of(outputs_of(plan), "cuda:0")
    stream_into(Job(plan, "cuda:0", HashMasks(3, "cuda:0")), Tied.of(sink, plan))
    want = on(planned(recipe("ties", "mergekit", 3)), "cuda:0")
    for name, tensor in sink.tensors.items():
        assert tensor.device == torch.device("cuda:0")
        assert torch.equal(tensor.cpu(), want[name])


# --- Methods with an SVD or a matrix product ------------------------------------------------------


def matrices(seed: int) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    shapes = {"layers.0.weight": (96, 64), "layers.1.weight": (64, 96), "layers.1.bias": (64,)}
    return {n: torch.randn(s, generator=source) for n, s in shapes.items()}


SPECTRAL = [s.id for s in METHODS if s.family == "Spectral" and not s.needs.data]


@pytest.mark.parametrize("name", SPECTRAL)
def test_decompositions_agree_within_the_norm(name: str) -> None:
    base = matrices(0)
    made = {f"e{i}": {n: base[n] + 0.1 * d for n, d in matrices(i + 1).items()} for i in range(3)}
    named = {n: MemoryCheckpoint(n, m) for n, m in made.items()}
    weights = list(named) if method(name).weighted else dict.fromkeys(named, 1.0)
    plan = make_plan(make_recipe(name, weights), MemoryCheckpoint("base", base), named)
    want = run(plan, device="cpu").tensors
    for device in devices():
        for key, tensor in run(plan, device=device).tensors.items():
            off = torch.linalg.vector_norm(tensor.double() - want[key].double())
            assert off <= NORM * torch.linalg.vector_norm(want[key].double())
