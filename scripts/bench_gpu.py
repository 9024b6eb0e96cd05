"""On a CUDA device: bytes moved over time, for weights that lie there already.

Every input and the output counted once, over the wall time of the merge; beside it the rate of a
copy within the device, read and written bytes counted. TIES over four experts of 1.1 B weights. The
result is moved to the host within the time, since that is where a merge leaves it.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file

from merging.checkpoints.base import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.engine.plan import Plan
from scripts.bench_models import SIZES, Family
from scripts.bench_work import TIES, Bench, median
from scripts.figures import Figure

NAME = "GPU, TIES: bytes moved over time / a device copy's rate"
TARGET = 0.3
DEVICE = "cuda"
COPIED = 2 << 30


def rows(bench: Bench) -> Iterator[Figure]:
    """Yield the share of a device copy's rate."""
    if not torch.cuda.is_available():
        yield Figure(NAME, None, "x", TARGET, least=True, note="no CUDA device")
        return
    size = bench.size if bench.size.name == "tiny" else SIZES["1.1b"]
    plan, moved = resident(bench.family(4, size))
    seconds = median([_seconds(plan) for _ in range(bench.repeats)][1:] or [_seconds(plan)])
    rate, copy = moved / (seconds or 1.0), copy_rate()
    yield Figure(
        NAME,
        round(rate / copy, 4),
        "x",
        TARGET,
        least=True,
        note=f"{size.name}: {rate / 1e9:.0f} GB/s of {copy / 1e9:.0f} GB/s",
        details={"seconds": seconds, "bytes": moved, "copy_rate": copy, "size": size.name},
    )


def resident(family: Family) -> tuple[Plan, int]:
    """Return the plan over weights on the device, and the bytes of all inputs and the output."""
    models = [MemoryCheckpoint(p.parent.name, _loaded(p)) for p in family.files()]
    base, *experts = models
    named = dict(zip(family.experts, experts, strict=True))
    plan = make_plan(TIES.recipe(family), base, named)
    each = sum(t.numel() * t.element_size() for t in base.state.values())
    return plan, each * (len(models) + 1)


def _loaded(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path, device=DEVICE)


def _seconds(plan: Plan) -> float:
    """Merge; the way of the result to the host is in it."""
    torch.cuda.synchronize()
    begin = time.perf_counter()
    run(plan, device=DEVICE)
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
