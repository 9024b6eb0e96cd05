"""The models of a plan as flat numbers of computing type, read chunk by chunk."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.checkpoints.base import Load
from merging.engine.chunks import Chunk
from merging.engine.plan import Plan
from merging.errors import CompatibilityError


@dataclass(frozen=True, slots=True)
class Sources:
    """Open models of a plan; any thread may read.

    Attributes:
        plan: The plan.
        base: Loads a tensor of the base, or None.
        experts: The same of every expert, in order.
        deltas: Whether experts are read as differences from the base.
    """

    plan: Plan
    base: Load | None
    experts: tuple[Load, ...]
    deltas: bool

    def dtype(self, name: str) -> torch.dtype:
        """Return the computing type of a tensor."""
        return torch.float64 if name in self.plan.wide else torch.float32

    def raw(self, chunk: Chunk) -> tuple[Tensor | None, list[Tensor]]:
        """Return a chunk of base and experts as stored, flat; nothing is read before it is used."""
        name, part = chunk.step.tensor, slice(chunk.start, chunk.stop)
        base = None if self.base is None else self.base(name).reshape(-1)[part]
        return base, [load(name).reshape(-1)[part] for load in self.experts]

    def fill(self, chunk: Chunk, stack: Tensor, base: Tensor) -> None:
        """Read a chunk.

        Args:
            chunk: What to read.
            stack: Gets deltas or weights of the experts, shape (experts, size).
            base: Gets the base's weights, shape (size,); left alone where there is no base.

        Raises:
            CompatibilityError: A number is infinite or not a number; model and tensor are named.
        """
        stored, models = self.raw(chunk)
        if stored is not None:
            base.copy_(stored)
        for row, model in zip(stack, models, strict=True):
            row.copy_(model)
            if self.deltas and stored is not None:
                row.sub_(base)
            if not finite(row):
                self._blame(chunk)
        if not self.deltas and stored is not None and not finite(base):
            self._blame(chunk)

    def fill_base(self, chunk: Chunk, base: Tensor) -> None:
        """Read a chunk of the base only; shape (size,)."""
        if self.base is not None:
            base.copy_(self.base(chunk.step.tensor).reshape(-1)[chunk.start : chunk.stop])

    def still(self, chunk: Chunk) -> bool:
        """Return whether all models hold the same numbers in a chunk."""
        base, models = self.raw(chunk)
        first, rest = (models[0], models[1:]) if base is None else (base, models)
        return all(model.dtype == first.dtype and torch.equal(first, model) for model in rest)

    def _blame(self, chunk: Chunk) -> None:
        base, models = self.raw(chunk)
        everyone = (self.plan.base, *self.plan.experts)
        for model, tensor in zip(everyone, (base, *models), strict=True):
            if model is not None and tensor is not None and not tensor.isfinite().all():
                raise CompatibilityError(
                    f"{model.name} holds a number in {chunk.step.tensor!r} that is infinite or "
                    "not a number. The file is damaged or its training diverged."
                )


@contextmanager
def open_sources(plan: Plan, deltas: bool) -> Iterator[Sources]:
    """Open all models of a plan; files stay open until the context ends."""
    with ExitStack() as stack:
        base = None if plan.base is None else stack.enter_context(plan.base.opened())
        experts = tuple(stack.enter_context(e.opened()) for e in plan.experts)
        yield Sources(plan, base, experts, deltas)


def finite(row: Tensor) -> bool:
    """Return whether all numbers of a CPU tensor are finite; a NaN shows in both ends."""
    if row.numel() == 0:
        return True
    numbers = row.numpy()
    return math.isfinite(numbers.max()) and math.isfinite(numbers.min())
