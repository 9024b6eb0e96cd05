"""On a CUDA device: bytes moved over time, for weights that lie there already.

Every input and the output counted once, over the wall time of the merge; beside it the rate of a
copy within the device, read and written bytes counted. TIES over four experts of 1.1 B weights,
the result kept on the device; in a second row it is brought to the host within the time. How often
the weights are gone through is told with both.

What a GPU has to gain here was not measured: none was there when this was written. Kernels are
plain operations of torch, each of which goes through memory by itself; fused ones (torch.compile,
Triton) are left out because nobody could measure whether they pay, and without them the target is
not to be expected.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file

from merging.checkpoints.base import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.engine.estimate import estimate
from merging.engine.job import Job
from merging.engine.places import chunk_of
from merging.engine.plan import Plan
from merging.engine.run import computing, fill
from merging.engine.sink import Memory, outputs_of
from merging.methods.masks import HashMasks
from scripts.bench_models import SIZES, Family
from scripts.bench_work import TIES, Bench, median
from scripts.figures import Figure

NAME = "GPU, TIES: bytes moved over time / a device copy's rate"
TO_HOST = "GPU, TIES: the same, the result brought to the host"
TARGET = 0.3
DEVICE = "cuda:0"
COPIED = 2 << 30


def rows(bench: Bench) -> Iterator[Figure]:
    """Yield the share of a device copy's rate: results kept there, and brought to the host."""
    if not torch.cuda.is_available():
        yield Figure(NAME, None, "x", TARGET, least=True, note="no CUDA device")
        yield Figure(TO_HOST, None, "x", note="no CUDA device")
        return
    size = bench.size if bench.size.name == "tiny" else SIZES["1.1b"]
    plan, moved = resident(bench.family(4, size))
    copy = copy_rate()
    for name, target, work in (
        (NAME, TARGET, lambda: merge_there(plan, DEVICE)),
        (TO_HOST, None, lambda: run(plan, device=DEVICE)),
    ):
        seconds = _median(bench, work)
        rate, passes = moved / seconds, estimate(plan, DEVICE).passes
        yield Figure(
            name,
            round(rate / copy, 4),
            "x",
            target,
            least=True,
            note=f"{size.name}: {rate / 1e9:.0f} GB/s of {copy / 1e9:.0f} GB/s, {passes} pass(es)",
            details={
                "seconds": seconds,
                "bytes": moved,
                "passes": passes,
                "copy_rate": copy,
                "size": size.name,
            },
        )


def resident(family: Family) -> tuple[Plan, int]:
    """Return the plan over weights on the device, and the bytes of all inputs and the output."""
    models = [MemoryCheckpoint(p.parent.name, _loaded(p)) for p in family.files()]
    base, *experts = models
    named = dict(zip(family.experts, experts, strict=True))
    plan = make_plan(TIES.recipe(family), base, named)
    each = sum(t.numel() * t.element_size() for t in base.state.values())
    return plan, each * (len(models) + 1)


def merge_there(plan: Plan, device: str) -> Memory:
    """Merge and keep the result on the device.

    Args:
        plan: Over weights of any place.
        device: Where to compute, and to keep what is made.
    """
    masks = HashMasks(plan.recipe.seed, device)
    job = Job(plan, device, masks, chunk=chunk_of(plan, device))
    sink = Memory.of(outputs_of(plan), device)
    with computing(job):
        fill(job, sink)
    return sink


def _loaded(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path, device=DEVICE)


def _median(bench: Bench, work: Callable[[], object]) -> float:
    """Seconds; the first run, which loads libraries, is not counted where there are others."""
    times = [_seconds(work) for _ in range(bench.repeats + 1)][1:]
    return median(times) or 1.0


def _seconds(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    begin = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - begin


def copy_rate() -> float:
    """Return the bytes per second of a copy within the device, read and written ones together."""
    source = torch.zeros(COPIED, dtype=torch.uint8, device=DEVICE)
    target, times = torch.empty_like(source), []
    for _ in range(10):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        target.copy_(source)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return 2 * COPIED / (median(times) or 1.0)
