"""The models of a plan as flat numbers of computing type, read chunk by chunk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.checkpoints.base import Load
from merging.engine.chunks import Chunk
from merging.engine.plan import Plan
from merging.errors import CompatibilityError
from merging.methods.scripted import scripted


@dataclass(frozen=True, slots=True)
class Raw:
    """A chunk of all models as stored; tensors of files are read when they are touched.

    Attributes:
        chunk: Which.
        base: Of the base, shape (size,), or None.
        experts: Of every expert, the same shape.
    """

    chunk: Chunk
    base: Tensor | None
    experts: tuple[Tensor, ...]

    def part(self, start: int, stop: int) -> "Raw":
        """Return a part of the chunk, counted from its first element."""
        base = None if self.base is None else self.base[start:stop]
        return Raw(self.chunk.part(start, stop), base, tuple(e[start:stop] for e in self.experts))

    def moved(self, bring: Callable[[Sequence[Tensor]], Sequence[Tensor]]) -> "Raw":
        """Return the same chunk with all its tensors brought elsewhere."""
        if self.base is None:
            return Raw(self.chunk, None, tuple(bring(self.experts)))
        base, *experts = bring((self.base, *self.experts))
        return Raw(self.chunk, base, tuple(experts))


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

    def raw(self, chunk: Chunk) -> Raw:
        """Return a chunk of base and experts as stored, flat; nothing is read before it is used."""
        name, part = chunk.step.tensor, slice(chunk.start, chunk.stop)
        base = None if self.base is None else self.base(name).reshape(-1)[part]
        return Raw(chunk, base, tuple(load(name).reshape(-1)[part] for load in self.experts))

    def fill(self, raw: Raw, stack: Tensor, base: Tensor) -> None:
        """Read a chunk in the type that is computed in.

        Args:
            raw: The chunk as stored.
            stack: Gets deltas or weights of the experts, shape (experts, size).
            base: Gets the base's weights, shape (size,); left alone where there is no base.

        Raises:
            CompatibilityError: A number is infinite or not a number; model and tensor are named.
        """
        stored = torch.zeros_like(base) if raw.base is None else raw.base
        around = self.deltas and raw.base is not None
        if not _read(list(raw.experts), stored, stack, base, around):
            self._blame(raw)

    def still(self, chunk: Chunk) -> bool:
        """Return whether all models hold the same numbers in a chunk."""
        raw = self.raw(chunk)
        first = raw.experts[0] if raw.base is None else raw.base
        alike = all(m.dtype == first.dtype for m in raw.experts)
        return alike and all(torch.equal(first, m.to(first.device)) for m in raw.experts)

    def _blame(self, raw: Raw) -> None:
        everyone = (self.plan.base, *self.plan.experts)
        for model, tensor in zip(everyone, (raw.base, *raw.experts), strict=True):
            if model is not None and tensor is not None and not tensor.isfinite().all():
                raise CompatibilityError(
                    f"{model.name} holds a number in {raw.chunk.step.tensor!r} that is infinite or "
                    "not a number. The file is damaged or its training diverged."
                )


@contextmanager
def open_sources(plan: Plan, deltas: bool) -> Iterator[Sources]:
    """Open all models of a plan; files stay open until the context ends."""
    with ExitStack() as stack:
        base = None if plan.base is None else stack.enter_context(plan.base.opened())
        experts = tuple(stack.enter_context(e.opened()) for e in plan.experts)
        yield Sources(plan, base, experts, deltas)


@scripted
def _read(models: list[Tensor], stored: Tensor, stack: Tensor, base: Tensor, around: bool) -> bool:
    """Fill stack and base; return whether all numbers are finite: only those times zero are 0."""
    base.copy_(stored)
    zeros = torch.zeros_like(base)
    total = torch.dot(base, zeros)
    for index in range(len(models)):
        row = stack[index]
        row.copy_(models[index])
        if around:
            row.sub_(base)
        total += torch.dot(row, zeros)
    return bool(total == 0)
