"""Sketches of one family of models, sampled and whole, for tests of previews from samples."""

from typing import Any

import torch
from builders import State, checkpoints

from merging.analysis import Figure
from merging.checkpoints import MemoryCheckpoint
from merging.sketch import Sketch, build_sketch

IDS = ("a", "b", "c")
SHAPES = {
    "layers.0.q_proj.weight": (200, 180),
    "layers.0.mlp.fc1.weight": (130, 300),
    "layers.0.mlp.fc1.bias": (300,),
    "layers.1.q_proj.weight": (200, 180),
    "layers.0.norm.weight": (130,),
    "norm.weight": (65,),
}


def _state(seed: int, scale: float, dtype: torch.dtype = torch.float32) -> State:
    source = torch.Generator().manual_seed(seed)
    return {n: (torch.randn(s, generator=source) * scale).to(dtype) for n, s in SHAPES.items()}


BASE = _state(0, 0.02)
# Two experts that have something in common, and one without a fifth of the changes.
SHARED = _state(1, 0.001)
MODELS: dict[str, State] = {
    e: {n: t + SHARED[n] + _state(10 + i, 0.002)[n] for n, t in BASE.items()}
    for i, e in enumerate(IDS[:2])
}
MODELS["c"] = {
    n: torch.where(torch.arange(t.numel()).reshape(t.shape) % 5 == 0, t, t + _state(20, 0.003)[n])
    for n, t in BASE.items()
}


def sketch_of(base: State, models: dict[str, State], **how: Any) -> Sketch:
    return build_sketch(MemoryCheckpoint("base", base), checkpoints(models), **how)


SAMPLED = sketch_of(BASE, MODELS)
WHOLE = sketch_of(BASE, MODELS, whole=10**6)


def figure(found: Figure | None) -> Figure:
    assert found is not None
    return found
