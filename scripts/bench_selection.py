"""The exact k-th magnitude, nanoseconds an element: ours beside what libraries have.

All are given the same magnitudes, float32 and not negative, and must find the same one. The second
kind are differences of bfloat16, as experts stored so give them: few values, many of them equal.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from merging.methods.selection import kth_smallest
from scripts.bench_models import CHANGE, SPREAD
from scripts.bench_work import DENSITY, Bench, median
from scripts.figures import Figure

COUNT = {"tiny": 100_000, "135m": 8_000_000, "1.1b": 8_000_000}
Select = Callable[[Tensor, int], float]


def rows(bench: Bench) -> Iterator[Figure]:
    """Yield a figure for each way on each kind of magnitudes."""
    for kind, values in _kinds(COUNT[bench.size.name]).items():
        k = len(values) - int(DENSITY * len(values)) + 1
        wanted = float(values.sort().values[k - 1])
        for name, select in _ways().items():
            yield _figure(bench, f"k-th magnitude, {kind}, {name}", select, values, k, wanted)


def _kinds(count: int) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(0)
    base, drawn = (torch.randn(count, generator=source) for _ in range(2))
    start = (SPREAD * base).bfloat16()
    moved = (start.float() + CHANGE * drawn * drawn.abs()).bfloat16()
    return {"normal": drawn.abs(), "of bfloat16": (moved.float() - start.float()).abs()}


def _ways() -> dict[str, Select | None]:
    ways: dict[str, Select | None] = {
        "torch.kthvalue": lambda values, k: float(values.kthvalue(k).values),
        "torch.sort": lambda values, k: float(values.sort().values[k - 1]),
        "numpy.partition": lambda values, k: float(np.partition(values.numpy(), k - 1)[k - 1]),
    }
    return ways | {"ours": lambda values, k: float(kth_smallest(values, k))}


def _figure(
    bench: Bench, name: str, select: Select | None, values: Tensor, k: int, wanted: float
) -> Figure:
    if select is None:
        return Figure(name, None, "ns", note="not there yet")
    times = []
    for _ in range(bench.their_repeats):
        begin = time.perf_counter()
        found = select(values, k)
        times.append(time.perf_counter() - begin)
        if found != wanted:
            return Figure(f"{name}: wrong", 1.0, "x", 0.0, note=f"found {found}, not {wanted}")
    each = 1e9 * (median(times) or 0.0) / len(values)
    return Figure(name, round(each, 2), "ns", details={"elements": len(values), "k": k})
