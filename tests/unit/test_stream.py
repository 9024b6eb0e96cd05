"""Chunk by chunk and in threads, or tensor by tensor in memory: the same bits."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
import torch
from builders import State, checkpoints
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import Plan, make_plan
from merging.engine.cache import Intermediates
from merging.engine.job import Job
from merging.engine.sink import Memory, Tied, outputs_of
from merging.engine.streaming import stream_into, streams
from merging.engine.tensorwise import merge_into
from merging.errors import Cancelled, CompatibilityError
from merging.methods.masks import HashMasks
from merging.methods.registry import METHODS
from merging.recipe import Recipe, make_recipe

BLOCK = 32_768
# One tensor for every way of falling on blocks and chunks.
SIZES = (1, 7, BLOCK, BLOCK + 1, 70_001, 5 * BLOCK - 3)
CHUNKS = (BLOCK, 2 * BLOCK, 3 * BLOCK, 1 << 20)


def model(seed: int, round_to: torch.dtype = torch.float32) -> State:
    """Weights of odd sizes; some are equal, some zero, and in small types many sizes tie."""
    source = torch.Generator().manual_seed(seed)
    found = {}
    for size in SIZES:
        values = torch.randn(size, generator=source)
        values[:: 5 + seed] = 0
        found[f"layers.{size}.weight"] = values.to(round_to)
    found["same"] = torch.linspace(-1, 1, 40_001).to(round_to)
    return found


def models(count: int, dtype: torch.dtype) -> tuple[State, dict[str, State]]:
    base = model(0, dtype)
    changes = {f"e{i}": model(i + 1) for i in range(count)}
    made = {
        e: {n: b + (0.1 * d[n]).to(dtype) if n != "same" else b.clone() for n, b in base.items()}
        for e, d in changes.items()
    }
    return base, made


def planned(recipe: Recipe, dtype: torch.dtype = torch.bfloat16) -> Plan:
    base, made = models(len(recipe.experts), dtype)
    return make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(made))


def job_of(plan: Plan, **how: Any) -> Job:
    return Job(plan, "cpu", HashMasks(plan.recipe.seed), **how)


def merged(plan: Plan, merge: Callable[..., Any], **how: Any) -> State:
    sink = Memory.of(outputs_of(plan))
    merge(job_of(plan, **how), Tied.of(sink, plan))
    return sink.tensors


def assert_same(found: State, want: State) -> None:
    assert found.keys() == want.keys()
    wrong = [name for name in want if not torch.equal(found[name], want[name])]
    assert not wrong


def recipe_of(method: str, dialect: str, count: int, **params: Any) -> Recipe:
    spec = METHODS_BY_ID[method]
    few = min(count, spec.needs.most or count)
    weights = {f"e{i}": 1.0 - 0.3 * i if spec.weighted and i < 4 else 1.0 for i in range(few)}
    return make_recipe(method, weights, dialect=dialect, params=params, seed=3)


def cases() -> list[tuple[str, str]]:
    return [
        (spec.id, dialect)
        for spec in METHODS
        if spec.needs.model == "" and spec.whole is None and not spec.needs.data
        for dialect in spec.dialects
    ]


METHODS_BY_ID = {spec.id: spec for spec in METHODS}
STREAMED = [
    (method, dialect)
    for method, dialect in cases()
    if streams(planned(recipe_of(method, dialect, 3)))
]


def test_the_methods_that_stream() -> None:
    """All but those that rank rows or scores, compare columns, or decompose matrices."""
    whole = {method for method, _ in cases()} - {method for method, _ in STREAMED}
    assert whole == {
        "della", "della_linear", "pcb", "widen", "sparse_soup", "tsv_m", "iso_c", "iso_cts",
        "arcee_fusion",
    }  # fmt: skip


@pytest.mark.parametrize(("method", "dialect"), STREAMED)
def test_chunks_change_no_bit(method: str, dialect: str) -> None:
    plan = planned(recipe_of(method, dialect, 3))
    want = merged(plan, merge_into)
    for chunk in CHUNKS:
        assert_same(merged(plan, stream_into, chunk=chunk, threads=2), want)


@pytest.mark.parametrize(
    "method", [m for m, d in STREAMED if d == "paper" and (METHODS_BY_ID[m].needs.most or 7) > 2]
)
def test_no_place_in_a_chunk_decides_how_seven_experts_are_added(method: str) -> None:
    """Torch adds five rows or more in an order that depends on where a column stands."""
    plan = planned(recipe_of(method, "paper", 7), torch.float32)
    assert_same(merged(plan, stream_into, chunk=BLOCK, threads=2), merged(plan, merge_into))


FURTHER: list[tuple[str, dict[str, Any]]] = [
    ("breadcrumbs", {"form": "tensor", "density": 0.4, "gamma": 0.1}),
    ("breadcrumbs", {"form": "tensor", "density": 0.95, "gamma": 0.2, "rescale": "inverse"}),
    ("breadcrumbs", {"form": "thresholds", "density": 0.5, "small": 0.2}),
    ("breadcrumbs_ties", {"form": "tensor", "density": 0.3, "zero_sign": "majority"}),
    ("magnitude_prune", {"trim_rule": "exact", "density": 0.4}),
    ("sce", {"floor": 1e-4}),
    ("sce", {"floor": 1.0, "merge_selected_only": True}),
    ("model_stock", {"clip": True}),
    ("ram_plus", {"changed": 0.05, "boost": 2.0}),
    ("karcher", {"rounds": 3, "tolerance": 1e-9}),
    ("multislerp", {"around": "origin"}),
    ("nuslerp", {"around": "origin"}),
    ("slerp", {"t": 0.3, "linear_above": 1.0}),
    ("graft", {"fraction": 0.25}),
    ("graft", {"fraction": 0.0}),
    ("darex_q", {"never_drop": "70001"}),
]


@pytest.mark.parametrize(("method", "options"), FURTHER, ids=str)
def test_what_lies_beyond_a_chunk_is_ranked_or_summed(method: str, options: dict[str, Any]) -> None:
    plan = planned(recipe_of(method, "paper", 3, **options))
    assert streams(plan)
    want = merged(plan, merge_into)
    for threads in (1, 3):
        assert_same(merged(plan, stream_into, chunk=BLOCK, threads=threads), want)


HELD: list[tuple[str, dict[str, Any], str]] = [
    ("breadcrumbs", {}, "it ranks changes within each row of a tensor"),
    ("breadcrumbs", {"form": "tensor", "rescale": "l1"},
     "it restores the L1 norm of what the trim leaves of a tensor"),
    ("ties", {"rescale": "l1"}, "it restores the L1 norm of what the trim leaves of a tensor"),
    ("sce", {"select": 0.5}, "it ranks the weights of a tensor by how far the experts differ"),
    ("model_stock", {"by_row": True}, "it measures angles within each row of a tensor"),
    ("nuslerp", {"flatten": "row"}, "it measures an angle for each row of a tensor"),
    ("darex_q", {"rule": "inputs"},
     "it multiplies whole matrices by the mean inputs of their layer"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "options", "why"), HELD, ids=str)
def test_what_needs_a_whole_tensor_says_why(method: str, options: dict[str, Any], why: str) -> None:
    plan = planned(recipe_of(method, "paper", 2, **options))
    assert not streams(plan)
    assert plan.recipe.spec.whole_for(plan.recipe.settings()) == why


OPTIONS: list[dict[str, Any]] = [
    {"trim_scope": "tensor", "trim_rule": "exact", "zero_sign": "majority", "density": 0.37},
    {"trim_scope": "tensor", "trim_rule": "at_least_one", "combine": "weighted_mean"},
    {"trim_scope": "tensor", "trim_rule": "strict", "election": "count", "combine": "max"},
    {"trim_scope": "global", "trim_rule": "dropped", "voters": "weighted", "density": 0.71},
    {"trim_scope": "global", "zero_sign": "plus", "rescale": "inverse", "depth_scaling": True},
]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: o["trim_scope"] + o.get("trim_rule", ""))
def test_threads_and_options_change_no_bit(options: dict[str, Any], dtype: torch.dtype) -> None:
    plan = planned(recipe_of("ties", "paper", 4, **options), dtype)
    want = merged(plan, merge_into)
    for threads in (1, 2, 3, 4):
        assert_same(merged(plan, stream_into, chunk=BLOCK, threads=threads), want)


@pytest.mark.parametrize("rescale", ["l1", "inverse"])
@pytest.mark.parametrize("trim_scope", ["tensor", "global"])
def test_dropping_then_trimming_changes_no_bit(rescale: str, trim_scope: str) -> None:
    """Norms, then order statistics of what was dropped and rescaled, then a majority."""
    options = {"rescale": rescale, "trim_scope": trim_scope, "density": 0.6, "drop_rate": 0.3}
    plan = planned(recipe_of("dare_ties", "paper", 3, **options))
    assert_same(merged(plan, stream_into, chunk=BLOCK, threads=2), merged(plan, merge_into))


@pytest.mark.parametrize("count", [1, 8, 9])
def test_many_experts_are_added_in_order(count: int) -> None:
    plan = planned(recipe_of("task_arithmetic", "paper", count))
    assert_same(merged(plan, stream_into, chunk=BLOCK, threads=2), merged(plan, merge_into))


def test_float64_is_computed_so_where_it_is_stored() -> None:
    plan = planned(recipe_of("ties", "mergekit", 3, density=0.4), torch.float64)
    found = merged(plan, stream_into, chunk=BLOCK, threads=2)
    assert found["layers.7.weight"].dtype == torch.float64
    assert_same(found, merged(plan, merge_into))


# --- Again ----------------------------------------------------------------------------------------


def spied(cache: Intermediates) -> list[bool]:
    """Note for every look into the cache whether it found something."""
    looks: list[bool] = []
    get = cache.get

    def noted(key: Any) -> Any:
        found = get(key)
        looks.append(found is not None)
        return found

    cache.get = noted  # type: ignore[method-assign]
    return looks


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"scale": 0.5}, True),
        ({"weights": {"e0": 0.2}}, True),
        ({"combine": "sum"}, True),
        ({"density": 0.5}, False),
        ({"trim_rule": "exact"}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("dialect", ["paper", "mergekit"])
def test_only_what_changed_is_computed(change: dict[str, Any], kept: bool, dialect: str) -> None:
    first = recipe_of("ties", dialect, 3, density=0.3)
    if change.get("trim_rule") and dialect == "paper":
        change = {"trim_rule": "dropped"}
    weights = change.get("weights", {})
    params = {n: v for n, v in change.items() if n != "weights"}
    cache = Intermediates(1 << 28)
    merged(planned(first), stream_into, chunk=2 * BLOCK, cache=cache)
    looks = spied(cache)
    plan = planned(first.patched(params, weights))
    found = merged(plan, stream_into, chunk=2 * BLOCK, cache=cache)
    assert looks[0] == kept and all(looks) == kept  # a survey may fill what the merge then finds
    assert_same(found, merged(plan, merge_into))


def test_masks_are_kept_for_their_seed_only() -> None:
    cache = Intermediates(1 << 28)
    recipe = recipe_of("dare", "paper", 2, drop_rate=0.5)
    merged(planned(recipe), stream_into, cache=cache)
    looks = spied(cache)
    for seed, kept in ((3, True), (4, False)):
        looks.clear()
        plan = planned(replace(recipe, seed=seed))
        assert_same(merged(plan, stream_into, cache=cache), merged(plan, merge_into))
        assert looks and set(looks) == {kept}


def test_another_model_is_another_result() -> None:
    cache = Intermediates(1 << 28)
    recipe = recipe_of("ties", "mergekit", 2, density=0.5)
    base, made = models(2, torch.float32)
    for _ in range(2):
        plan = make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(made))
        assert_same(merged(plan, stream_into, cache=cache), merged(plan, merge_into))
        made["e1"]["layers.7.weight"][3] += 1.0


def test_what_is_kept_is_bounded_and_the_first_stays() -> None:
    """Half of the deltas fit: they serve the next merge, the rest is made anew."""
    recipe = recipe_of("ties", "mergekit", 2, density=0.5)
    whole = Intermediates(1 << 28)
    merged(planned(recipe), stream_into, cache=whole)
    cache = Intermediates(whole.used // 2)
    merged(planned(recipe), stream_into, cache=cache)
    assert 0 < cache.used <= cache.max_bytes
    looks = spied(cache)
    plan = planned(recipe.patched({"scale": 2.0}))
    assert_same(merged(plan, stream_into, cache=cache), merged(plan, merge_into))
    assert any(looks) and not all(looks)


def test_another_recipe_takes_the_room() -> None:
    recipe = recipe_of("ties", "mergekit", 2, density=0.5)
    whole = Intermediates(1 << 28)
    merged(planned(recipe), stream_into, cache=whole)
    cache = Intermediates(whole.used)
    merged(planned(recipe), stream_into, cache=cache)
    other = planned(recipe.patched({"density": 0.25}))
    merged(other, stream_into, cache=cache)
    looks = spied(cache)
    merged(other, stream_into, cache=cache)
    assert all(looks) and cache.used <= cache.max_bytes
    looks.clear()
    merged(planned(recipe), stream_into, cache=cache)
    assert looks and not any(looks)


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("method", ["ties", "task_arithmetic", "linear"])
@pytest.mark.parametrize("who", ["base", "e1"])
def test_a_number_that_is_none_names_model_and_tensor(method: str, who: str, bad: float) -> None:
    base, made = models(2, torch.bfloat16)
    wrong = base if who == "base" else made[who]
    wrong["layers.70001.weight"][69_999] = bad
    recipe = make_recipe(method, list(made))
    plan = make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(made))
    with pytest.raises(CompatibilityError, match=rf"{who} holds a number in 'layers.70001.weight'"):
        merged(plan, stream_into, chunk=BLOCK, threads=2)


def test_a_result_too_large_for_its_type_names_the_tensor() -> None:
    base = {"w": torch.full((70_000,), 6e4), "v": torch.zeros(10)}
    made = {"e0": {"w": torch.full((70_000,), 6.5e4), "v": torch.ones(10)}}
    recipe = make_recipe("task_arithmetic", ["e0"], params={"scale": 2.0}, dtype="float16")
    plan = make_plan(recipe, MemoryCheckpoint("base", base), checkpoints(made))
    with pytest.raises(CompatibilityError, match=r"merged 'w' does not fit float16\. Lower λ"):
        merged(plan, stream_into)


@pytest.mark.parametrize("threads", [1, 2])
def test_cancel_ends_between_chunks(threads: int) -> None:
    plan = planned(recipe_of("ties", "mergekit", 3, density=0.5))
    seen = Event()

    def progress(fraction: float, message: str) -> None:
        if message.startswith("merge"):
            seen.set()
            raise Cancelled("Cancelled. Nothing was kept.")

    with pytest.raises(Cancelled):
        merged(plan, stream_into, chunk=BLOCK, threads=threads, progress=progress)
    assert seen.is_set()


def test_threads_of_the_caller_are_left_alone() -> None:
    before = torch.get_num_threads()
    merged(planned(recipe_of("ties", "mergekit", 3)), stream_into, chunk=BLOCK, threads=3)
    assert torch.get_num_threads() == before


def test_inputs_are_left_as_they_were() -> None:
    base, made = models(3, torch.float32)
    copies = {e: {n: t.clone() for n, t in m.items()} for e, m in {"base": base, **made}.items()}
    plan = make_plan(
        recipe_of("ties", "mergekit", 3), MemoryCheckpoint("base", base), checkpoints(made)
    )
    for _ in range(2):
        merged(plan, stream_into, chunk=BLOCK, threads=2, cache=Intermediates(1 << 28))
    now: dict[str, dict[str, Tensor]] = {"base": base, **made}
    assert all(torch.equal(now[e][n], t) for e, m in copies.items() for n, t in m.items())
