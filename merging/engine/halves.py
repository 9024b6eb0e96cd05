"""Trimmed experts kept for the next merge in the type of their files, two bytes a weight.

Where an expert's change was trimmed away the base's weight stands, so that reading them again as
any expert is read gives the trimmed deltas. That is done for steps that keep a change or zero it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from merging.engine.loops import Floats, Half
from merging.engine.sources import Raw
from merging.methods.compiled import compiled

_UPPER = np.uint32(16)


@dataclass(frozen=True, slots=True)
class Halves:
    """Experts of type bfloat16, shape (experts, count)."""

    rows: Half

    @property
    def size(self) -> int:
        """Bytes taken."""
        return self.rows.nbytes

    def experts(self) -> tuple[Tensor, ...]:
        """Return what a file that holds the trimmed experts would give."""
        return tuple(torch.from_numpy(row).view(torch.bfloat16) for row in self.rows)


def halves(raw: Raw, trimmed: Tensor) -> Halves | None:
    """Return the experts whose differences from the base are some trimmed deltas.

    Args:
        raw: A chunk as stored, on the CPU.
        trimmed: Deltas, shape (experts, size).

    Returns:
        None where models are of another type, or a change was neither kept nor zeroed.
    """
    stored = (raw.base, *raw.experts)
    if trimmed.dtype != torch.float32 or any(
        t is None or t.dtype != torch.bfloat16 for t in stored
    ):
        return None
    base, *experts = (t.contiguous().view(torch.uint16).numpy() for t in stored if t is not None)
    rows = np.empty((len(experts), len(base)), np.uint16)
    same = True
    for expert, delta, row in zip(experts, trimmed, rows, strict=True):
        same = same and _trim(expert, base, delta.numpy(), row)
    return Halves(rows) if same else None


@compiled
def _trim(expert: Half, base: Half, trimmed: Floats, row: Half) -> bool:
    """Take the base's weight where a delta is zero; return whether the others are whole."""
    strange = np.uint32(0)
    for i in range(len(row)):
        upper = np.uint32(np.uint32(expert[i]) << _UPPER).view(np.float32)
        under = np.uint32(np.uint32(base[i]) << _UPPER).view(np.float32)
        zero = trimmed[i] == np.float32(0)
        strange |= np.uint32((not zero) & (trimmed[i] != np.float32(upper - under)))
        row[i] = base[i] if zero else expert[i]
    return bool(strange == 0)
