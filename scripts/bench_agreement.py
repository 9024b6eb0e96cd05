"""Our merge and mergekit's beside each other, weight by weight, or as a whole where chance decides.

Where several changes are exactly as large as the smallest that is kept, which of them are kept is
anybody's choice: weights where an expert's change has that size are left out and counted. Both
sides round to bfloat16, so that equal results differ by one rounding at most where a float32 falls
close to the middle between two bfloat16.

DARE drops at random, and others draw other numbers: there the merged changes are compared as a
whole. By tensor of at least 100,000 weights, the share that changed and the lengths (L1 and L2) of
the change must differ between the two as little as between two seeds of ours.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from scripts.bench_models import WEIGHTS, Family

LARGE = 100_000
ROUNDING = 2.0**-7  # relative distance of neighbouring bfloat16, at most


@dataclass(frozen=True)
class Agreement:
    """How far two merges are apart.

    Attributes:
        largest: Largest difference, relative to the larger of both and the base's weight.
        differ: Share of the compared weights that are not equal.
        ties: Share of all weights left out because a trim is free to choose there.
    """

    largest: float
    differ: float
    ties: float


def agreement(family: Family, ours: Path, theirs: Path, density: float = 1.0) -> Agreement:
    """Compare two merged models, apart from what a trim by tensor is free to choose.

    Args:
        family: What was merged.
        ours, theirs: Folders.
        density: Kept share; at 1 nothing is trimmed.
    """
    largest, differ, free, count = 0.0, 0, 0, 0
    for base, experts, (here, there) in _tensors(family, ours, theirs):
        compared = torch.ones_like(base, dtype=torch.bool)
        for expert in experts if density < 1 else ():
            size = (expert - base).abs_()
            compared &= size != _smallest_kept(size, density)
        gap = (here - there).abs_()
        scale = torch.maximum(torch.maximum(here.abs(), there.abs()), base.abs())
        relative = (gap / scale.clamp_(min=torch.finfo(torch.float32).tiny))[compared]
        largest = max(largest, float(relative.max()) if relative.numel() else 0.0)
        differ += int(torch.count_nonzero(relative))
        free += int(torch.count_nonzero(~compared))
        count += base.numel()
    return Agreement(largest, differ / max(1, count - free), free / count)


def statistical_gap(family: Family, ours: Path, theirs: Path) -> float:
    """Return the largest relative difference of what is known of large tensors' merged changes.

    Small models have no large tensor; all are compared then.
    """
    gaps: dict[bool, float] = {}
    for base, _, (here, there) in _tensors(family, ours, theirs):
        pairs = zip(_known(here - base), _known(there - base), strict=True)
        gap = max(abs(a - b) / max(a, b, 1e-30) for a, b in pairs)
        large = base.numel() >= LARGE
        gaps[large] = max(gaps.get(large, 0.0), gap)
    return gaps.get(True, gaps.get(False, 0.0))


def _known(change: Tensor) -> tuple[float, float, float]:
    return (
        int(torch.count_nonzero(change)) / change.numel(),
        float(change.abs().sum(dtype=torch.float64)),
        float(change.square().sum(dtype=torch.float64).sqrt()),
    )


def _smallest_kept(size: Tensor, density: float) -> float:
    kept = max(1, int(density * size.numel()))
    place = size.numel() - kept
    return float(np.partition(size.flatten().numpy(), place)[place])


def _tensors(
    family: Family, *merged: Path
) -> Iterator[tuple[Tensor, list[Tensor], tuple[Tensor, ...]]]:
    """Yield each tensor of the base, of the experts and of the merged models, as float32.

    Raises:
        ValueError: The merged models are not of the same tensors.
    """
    with ExitStack() as opened:

        def handles(files: list[Path]) -> list[Any]:
            return [opened.enter_context(safe_open(f, framework="pt")) for f in files]

        base, *experts = handles(family.files())
        results = [{n: h for h in handles(_shards(folder)) for n in h.keys()} for folder in merged]  # noqa: SIM118
        if any(found.keys() != results[0].keys() for found in results):
            raise ValueError("the merged models do not have the same tensors")
        for name in base.keys():  # noqa: SIM118 (safe_open is not a mapping)
            yield (
                base.get_tensor(name).float(),
                [expert.get_tensor(name).float() for expert in experts],
                tuple(found[name].get_tensor(name).float() for found in results),
            )


def _shards(folder: Path) -> list[Path]:
    whole = folder / WEIGHTS
    return [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))
