"""The models of a plan as flat numbers of computing type, read chunk by chunk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.checkpoints.base import Opened
from merging.engine.chunks import Chunk
from merging.engine.loops import widen, widen_less
from merging.engine.plan import Plan
from merging.errors import CompatibilityError


@dataclass(frozen=True, slots=True)
class Raw:
    """A chunk of all models as stored.

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
        base: The base, open, or None.
        experts: The same of every expert, in order.
        deltas: Whether experts are read as differences from the base.
    """

    plan: Plan
    base: Opened | None
    experts: tuple[Opened, ...]
    deltas: bool

    def dtype(self, name: str) -> torch.dtype:
        """Return the computing type of a tensor."""
        return torch.float64 if name in self.plan.wide else torch.float32

    def raw(self, chunk: Chunk) -> Raw:
        """Read a chunk of base and experts as stored; it holds until the thread reads the next."""
        run = (chunk.step.tensor, chunk.start, chunk.stop)
        return Raw(chunk, self.stored_base(chunk), tuple(e.run(*run) for e in self.experts))

    def stored_base(self, chunk: Chunk) -> Tensor | None:
        """Read a chunk of the base as stored, or None without a base."""
        if self.base is None:
            return None
        return self.base.run(chunk.step.tensor, chunk.start, chunk.stop)

    def expect(self, chunk: Chunk) -> None:
        """Tell that a chunk will be read soon."""
        for model in (self.base, *self.experts):
            if model is not None:
                model.expect(chunk.step.tensor, chunk.start, chunk.stop)

    def fill(self, raw: Raw, stack: Tensor, base: Tensor) -> None:
        """Read a chunk in the type that is computed in.

        Args:
            raw: The chunk as stored.
            stack: Gets deltas or weights of the experts, shape (experts, size).
            base: Gets the base's weights, shape (size,); left alone where there is no base.

        Raises:
            CompatibilityError: A number is infinite or not a number; model and tensor are named.
        """
        finite = raw.base is None or _read(raw.base, None, base)
        around = base if self.deltas and raw.base is not None else None
        for stored, row in zip(raw.experts, stack, strict=True):
            finite &= _read(stored, around, row)
        if not finite:
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


def _read(stored: Tensor, base: Tensor | None, out: Tensor) -> bool:
    """Widen stored numbers and subtract the base; return whether all of them are finite."""
    if stored.dtype == torch.bfloat16 and out.dtype == torch.float32 and stored.is_cpu:
        half = stored.contiguous().view(torch.uint16).numpy()
        if base is None:
            return widen(half, out.numpy())
        return widen_less(half, base.numpy(), out.numpy())
    out.copy_(stored)
    finite = bool(torch.dot(out, torch.zeros_like(out)) == 0)  # only finite numbers times 0 are 0
    if base is not None:
        out.sub_(base)
    return finite
