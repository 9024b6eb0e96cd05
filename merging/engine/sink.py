"""Where merged tensors go: into memory, or to a writer of files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from merging.engine.plan import Plan, Step
from merging.engine.shards import Slot

ALIGNED = 64


class Sink(Protocol):
    """Takes merged numbers, from any thread, every element once."""

    @property
    def done(self) -> frozenset[str]:
        """Names of tensors that are there already and need not be made."""
        ...

    def room(self, name: str, start: int, count: int) -> Tensor:
        """Return where elements ``start`` and on of a tensor may be made, shape (count,)."""
        ...

    def write(self, name: str, start: int, values: Tensor) -> None:
        """Take elements ``start`` and on of a tensor: flat, of the output's type.

        They lie on the CPU, or where ``room`` gave it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Memory:
    """Keeps merged tensors in memory, of the CPU or of a device."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    done: frozenset[str] = frozenset()

    @classmethod
    def of(cls, outputs: Mapping[str, Slot], device: str = "cpu") -> "Memory":
        """Make room for outputs: on the CPU in one piece, which the system gives in large pages."""
        if device != "cpu":
            return cls(
                {n: torch.empty(o.shape, dtype=o.dtype, device=device) for n, o in outputs.items()}
            )
        return cls(_in_one_piece(outputs))

    def room(self, name: str, start: int, count: int) -> Tensor:
        """Return the very place; see ``Sink``."""
        return self.tensors[name].view(-1)[start : start + count]

    def write(self, name: str, start: int, values: Tensor) -> None:
        """Take elements; see ``Sink``."""
        place = self.room(name, start, values.numel())
        if place.data_ptr() != values.data_ptr():
            place.copy_(values)


def _in_one_piece(outputs: Mapping[str, Slot]) -> dict[str, Tensor]:
    """Make room for all outputs, each at a multiple of ``ALIGNED`` bytes."""
    sizes = (-(-slot.size // ALIGNED) * ALIGNED for slot in outputs.values())
    *starts, end = accumulate(sizes, initial=0)
    room = torch.from_numpy(np.empty(end, np.uint8))
    parts = zip(outputs.items(), starts, strict=True)
    return {n: room[a : a + s.size].view(s.dtype).view(s.shape) for (n, s), a in parts}


def outputs_of(plan: Plan) -> dict[str, Slot]:
    """Return what a merge tensor by tensor leaves, by name, in order of name."""
    infos = plan.reference.tensors()
    kept = (s for s in plan.steps if s.action != "leave_out")
    return {s.tensor: Slot(s.tensor, output_type(plan, s), infos[s.tensor].shape) for s in kept}


def output_type(plan: Plan, step: Step) -> torch.dtype:
    """Return the type in which a tensor is written: the recipe's for numbers, else its own."""
    own = plan.reference.tensors()[step.tensor].dtype
    if plan.recipe.dtype is None or not own.is_floating_point:
        return own
    dtype: torch.dtype = getattr(torch, plan.recipe.dtype)
    return dtype


@dataclass(frozen=True, slots=True)
class Tied:
    """Writes tensors that are tied to another together with it.

    Attributes:
        sink: Takes all of them.
        repeats: Names that repeat a tensor.
    """

    sink: Sink
    repeats: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, sink: Sink, plan: Plan) -> "Tied":
        """Read from a plan what is tied."""
        repeats: dict[str, tuple[str, ...]] = {}
        for step in plan.steps:
            if step.action == "tie":
                repeats[step.source] = (*repeats.get(step.source, ()), step.tensor)
        return cls(sink, repeats)

    @property
    def done(self) -> frozenset[str]:
        """Tensors that are there under all their names."""
        there = self.sink.done
        return frozenset(n for n in there if there.issuperset(self.repeats.get(n, ())))

    def room(self, name: str, start: int, count: int) -> Tensor:
        """Return where elements may be made; see ``Sink``."""
        return self.sink.room(name, start, count)

    def write(self, name: str, start: int, values: Tensor) -> None:
        """Take elements; see ``Sink``."""
        for each in (name, *self.repeats.get(name, ())):
            if each not in self.sink.done:
                self.sink.write(each, start, values)
