"""A sketch of a model whose large buckets are sampled, and what it was made of."""

from collections.abc import Mapping
from typing import Any

import torch
from builders import State, checkpoints
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.sketch import Sketch, build_sketch

ARRAYS = ("index", "base", "deltas", "nonzero", "l1", "dots", "levels", "model_levels")


def sketch_of(
    models: Mapping[str, Mapping[str, Tensor]], base: State | None = None, **how: Any
) -> Sketch:
    """A sketch of models whose base is zero where none is given."""
    start = base or {n: torch.zeros_like(t) for n, t in next(iter(models.values())).items()}
    return build_sketch(MemoryCheckpoint("base", start), checkpoints(models), **how)


def noise(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=source) * 0.02).to(dtype)


BIG = {
    "embed.weight": (400, 300),
    "layers.0.q_proj.weight": (200, 200),
    "layers.0.mlp.fc1.weight": (300, 120),
    "layers.0.mlp.fc1.bias": (300,),
    "layers.0.norm.weight": (120,),
}
BASE = {n: noise(s, i) for i, (n, s) in enumerate(BIG.items())}
EXPERTS = {
    e: {n: t + noise(t.shape, 100 * k + i) * 0.1 for i, (n, t) in enumerate(BASE.items())}
    for k, e in enumerate(("a", "b", "c"), 1)
}
LARGE = sketch_of(EXPERTS, BASE)


def same(a: Sketch, b: Sketch) -> bool:
    facts = ("identity", "seed", "quick", "experts", "parts")
    return all(getattr(a, n) == getattr(b, n) for n in facts) and all(
        torch.equal(getattr(a, n), getattr(b, n)) for n in ARRAYS
    )
