"""Merging on a device, simulated on the CPU: the same bits, and no number used before it is there.

The simulation (``simulated``) refuses tensors of different places in one operation, pinned memory
that is written again too early, results read too early, and what one queue takes from another
unawaited. That it does is tested first.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from builders import State
from hypothesis import given
from hypothesis import strategies as st
from test_stream import BLOCK, OPTIONS, STREAMED, assert_same, cases, merged, models, planned
from test_stream import recipe_of as recipe

from merging.checkpoints import MemoryCheckpoint
from merging.checkpoints.base import TensorInfo
from merging.engine import Plan, make_plan
from merging.engine.cache import Intermediates
from merging.engine.job import Job
from merging.engine.lanes import DeviceLane, HostLane, _Pinned, masks_on
from merging.engine.places import DEVICE_CHUNK, SMALLEST, Places, chunk_of, deal, devices_of, lying
from merging.engine.plan import Step
from merging.engine.sink import Memory, Tied, outputs_of
from merging.engine.streaming import stream_into
from merging.engine.tensorwise import merge_into
from merging.errors import Cancelled, CompatibilityError
from merging.methods.masks import GivenMasks, HashMasks

try:
    import simulated
except ImportError:  # pragma: no cover - an older torch has no devices made in Python
    pytest.skip("this torch cannot simulate a device", allow_module_level=True)


@pytest.fixture(autouse=True, scope="module")
def device() -> None:
    simulated.install()


def on(plan: Plan, device: str, merge: Any = stream_into, **how: Any) -> State:
    sink = Memory.of(outputs_of(plan))
    merge(Job(plan, device, HashMasks(plan.recipe.seed, device), **how), Tied.of(sink, plan))
    return sink.tensors


def lane(length: int = BLOCK) -> DeviceLane:
    return DeviceLane(simulated.SimulatedPort("sim:0"), length)


# --- The simulation catches what it is for --------------------------------------------------------


def test_numbers_of_two_places_do_not_meet() -> None:
    one, other = (torch.ones(3).to(f"sim:{i}") for i in range(2))
    for wrong in (lambda: one + other, lambda: one + torch.ones(3)):
        with pytest.raises((AssertionError, RuntimeError), match="sim:"):
            wrong()
    with pytest.raises(RuntimeError, match="numpy"):
        one.numpy()
    assert (one + 1).cpu().tolist() == [2.0, 2.0, 2.0]


def test_pinned_memory_may_not_be_written_before_its_copy_is_done() -> None:
    port = simulated.SimulatedPort("sim:0")
    memory = port.pinned(4)
    with pytest.raises(AssertionError, match="written again before"), port.at_work():
        port.copy(memory, torch.empty(4, dtype=torch.uint8, device="sim:0"))
        memory.fill_(1)


def test_a_copy_back_is_nonsense_until_it_is_waited_for() -> None:
    port = simulated.SimulatedPort("sim:0")
    memory = port.pinned(4)
    with port.at_work():
        port.copy(torch.ones(4, dtype=torch.uint8, device="sim:0"), memory)
        assert memory.tolist() == [simulated.NONSENSE] * 4
        port.mark().synchronize()
        assert memory.tolist() == [1, 1, 1, 1]


def test_what_a_queue_made_is_not_used_in_another_before_it_is_waited_for() -> None:
    one, other = (simulated.SimulatedPort("sim:0") for _ in range(2))
    with one.at_work():
        made = torch.ones(3, device="sim:0") * 2
        with pytest.raises(AssertionError, match="before it was made"), other.at_work():
            made[1:] + 1
    with other.at_work():
        assert (made[1:] + 1).cpu().tolist() == [3.0, 3.0]


@pytest.mark.parametrize("rule", ["wait", "begun"])
def test_a_lane_that_does_not_wait_is_found_out(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Pinned, rule, lambda self: None)
    plan = planned(recipe("task_arithmetic", "paper", 2))
    want = merged(plan, merge_into)
    found = on(plan, "sim:0")
    assert not any(torch.equal(found[n], want[n]) for n in want)
    port = lane()
    with pytest.raises(AssertionError, match="written again before"), port.at_work():
        port.bring([torch.ones(100)])
        port.bring([torch.zeros(100)])


# --- A lane ---------------------------------------------------------------------------------------


def test_what_is_brought_is_there_in_its_type() -> None:
    stored = [torch.arange(5).bfloat16(), torch.arange(7.0)[::2], torch.zeros(0), torch.ones(3, 2)]
    ours = lane()
    with ours.at_work():
        for _ in range(3):
            found = ours.bring(stored)
            assert [t.device for t in found] == [torch.device("sim:0")] * 4
            assert [t.dtype for t in found] == [t.dtype for t in stored]
            assert all(torch.equal(f.cpu(), s) for f, s in zip(found, stored, strict=True))


def test_what_lies_on_the_device_is_not_copied() -> None:
    there, other = torch.ones(3).to("sim:0"), torch.ones(3).to("sim:1")
    ours = lane()
    with ours.at_work():
        found = ours.bring([there, other, torch.ones(3)])
        assert found[0] is there
        assert [t.device.index for t in found] == [0, 0, 0]


def test_results_come_back_or_stay() -> None:
    ours, out, kept = lane(), torch.zeros(3), torch.zeros(3).to("sim:0")
    elsewhere = torch.zeros(3).to("sim:1")
    with ours.at_work():
        assert ours.room(kept) is kept
        for place in (out, kept, elsewhere):
            made = ours.room(place)
            assert made.device == torch.device("sim:0")
            made.fill_(2)
            ours.take(made, place)
            assert place.cpu().tolist() == [2.0, 2.0, 2.0]


def test_on_the_cpu_nothing_is_moved() -> None:
    host, out = HostLane(), torch.zeros(3)
    stored = [torch.ones(2), torch.zeros(4)]
    assert all(a is b for a, b in zip(host.bring(stored), stored, strict=True))
    assert host.room(out) is out
    host.take(out, out)
    there = torch.zeros(3).to("sim:0")
    made = host.room(there)
    assert made.is_cpu
    host.take(made.fill_(1), there)
    assert there.cpu().tolist() == [1.0, 1.0, 1.0]


def test_masks_are_drawn_where_they_are_used() -> None:
    here, there = HashMasks(4), masks_on(HashMasks(4), "sim:1")
    found = there.keep("w", "a", 5, 1000, 0.3)
    assert found.device == torch.device("sim:1")
    assert torch.equal(found.cpu(), here.keep("w", "a", 5, 1000, 0.3))
    given_masks = GivenMasks({})
    assert masks_on(given_masks, "sim:1") is given_masks


# --- The engine -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "dialect"), STREAMED)
def test_two_devices_change_no_bit(method: str, dialect: str) -> None:
    plan = planned(recipe(method, dialect, 3))
    assert_same(on(plan, "sim", chunk=2 * BLOCK), merged(plan, merge_into))


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: o["trim_scope"] + o.get("trim_rule", ""))
def test_chunks_and_options_change_no_bit(options: dict[str, Any]) -> None:
    plan = planned(recipe("ties", "paper", 3, **options))
    want = merged(plan, merge_into)
    for chunk in (BLOCK, 3 * BLOCK, 1 << 20):
        assert_same(on(plan, "sim:1", chunk=chunk), want)


@pytest.mark.parametrize(
    ("method", "dialect"),
    [c for c in cases() if c not in STREAMED] + [("ties", "paper"), ("dare_ties", "mergekit")],
)
def test_tensor_by_tensor_changes_no_bit(method: str, dialect: str) -> None:
    plan = planned(recipe(method, dialect, 3))
    assert_same(on(plan, "sim", merge_into), merged(plan, merge_into))


def test_float64_is_computed_so_where_it_is_stored() -> None:
    plan = planned(recipe("ties", "mergekit", 3, density=0.4), torch.float64)
    assert_same(on(plan, "sim", chunk=BLOCK), merged(plan, merge_into))


def resident(method: str, **params: Any) -> tuple[Plan, Plan]:
    """The same plan over weights on the first device, and on the CPU."""
    base, made = models(2, torch.bfloat16)
    found = []
    for device in ("sim:0", "cpu"):
        there = {
            n: MemoryCheckpoint(n, {t: v.to(device) for t, v in m.items()})
            for n, m in {"base": base, **made}.items()
        }
        ours = make_plan(recipe(method, "paper", 2, **params), there.pop("base"), there)
        found.append(ours)
    return found[0], found[1]


def test_weights_and_results_may_lie_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, here = resident("ties", density=0.4)
    sink = Memory.of(outputs_of(plan), "sim:0")
    monkeypatch.setattr(simulated.SimulatedPort, "copy", None)  # nothing goes by pinned memory
    stream_into(Job(plan, "sim", HashMasks(3, "sim"), chunk=2 * BLOCK), Tied.of(sink, plan))
    assert {t.device for t in sink.tensors.values()} == {torch.device("sim:0")}
    assert_same({n: t.cpu() for n, t in sink.tensors.items()}, merged(here, merge_into))


@pytest.mark.parametrize("who", ["base", "e1"])
def test_a_number_that_is_none_names_model_and_tensor(who: str) -> None:
    base, made = models(2, torch.bfloat16)
    (base if who == "base" else made[who])["layers.70001.weight"][69_999] = float("nan")
    named = {n: MemoryCheckpoint(n, m) for n, m in made.items()}
    plan = make_plan(recipe("ties", "mergekit", 2), MemoryCheckpoint("base", base), named)
    with pytest.raises(CompatibilityError, match=rf"{who} holds a number in 'layers.70001.weight'"):
        on(plan, "sim", chunk=BLOCK)


def test_cancel_ends_it() -> None:
    plan = planned(recipe("ties", "mergekit", 3))

    def progress(fraction: float, message: str) -> None:
        if fraction > 0:
            raise Cancelled("Cancelled. Nothing was kept.")

    for merge in (stream_into, merge_into):
        with pytest.raises(Cancelled):
            on(plan, "sim", merge, chunk=BLOCK, progress=progress)


def test_of_a_device_only_ranks_are_kept_for_the_next_merge() -> None:
    plan, cache = planned(recipe("ties", "paper", 2, density=0.3)), Intermediates(1 << 28)
    assert_same(on(plan, "sim", cache=cache), merged(plan, merge_into))
    used = cache.used
    assert 0 < used < 10_000
    again = replace(plan, recipe=plan.recipe.patched({"scale": 0.5}))
    assert_same(on(again, "sim", cache=cache), merged(again, merge_into))
    assert cache.used == used


# --- Who gets what --------------------------------------------------------------------------------


def steps(sizes: dict[str, int]) -> list[Step]:
    return [Step(n, TensorInfo((s,), torch.float32), "merge", "") for n, s in sizes.items()]


def test_the_largest_is_dealt_first_to_who_has_least() -> None:
    found = deal(steps({"a": 3, "b": 9, "c": 5, "d": 4, "e": 1}), ["x", "y"])
    assert found == {"b": "x", "c": "y", "d": "y", "a": "x", "e": "y"}


def test_what_lies_on_a_device_is_dealt_to_it() -> None:
    given_steps = steps({"a": 3, "b": 9, "c": 5})
    assert deal(given_steps, ["x", "y"], {"a": "y", "b": "y", "c": "z"}) == {
        "a": "y", "b": "y", "c": "x"
    }  # fmt: skip


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 1000), max_size=30), st.integers(1, 5))
def test_nobody_gets_much_more_than_his_share(sizes: dict[str, int], count: int) -> None:
    """A device gets more only while it has least: so at most a fair share and one tensor."""
    devices = [f"d{i}" for i in range(count)]
    dealt = deal(steps(sizes), devices)
    assert dealt.keys() == sizes.keys()
    load = [sum(s for n, s in sizes.items() if dealt[n] == d) for d in devices]
    assert max(load) <= sum(sizes.values()) / count + max(sizes.values(), default=0)


def test_names_of_devices() -> None:
    assert devices_of("sim") == ("sim:0", "sim:1")
    assert devices_of("sim:1") == ("sim:1",)
    assert devices_of("cpu") == ("cpu",)


def test_chunks_are_as_large_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(recipe("linear", "paper", 2))
    assert chunk_of(plan, "sim") == DEVICE_CHUNK
    kind = replace(simulated.KINDS["sim"], free=lambda device: 1)
    monkeypatch.setitem(simulated.KINDS, "sim", kind)
    assert chunk_of(plan, "sim") == SMALLEST


def test_a_thread_has_one_lane_to_each_device() -> None:
    plan, _ = resident("linear")
    assert set(lying(plan).values()) == {"sim:0"}
    places = Places(planned(recipe("linear", "paper", 2)), devices_of("sim"), BLOCK)
    lanes = {places.device(name): places.lane(name) for name in places.homes}
    assert set(lanes) == {"sim:0", "sim:1"}
    assert all(places.lane(n) is lanes[places.device(n)] for n in places.homes)
    assert {lane.length for lane in lanes.values()} == {BLOCK}


def test_nothing_of_the_device_is_left_at_work() -> None:
    def looks() -> Iterator[bool]:
        yield simulated.queue() is simulated.CALLER

    assert all(looks())
