"""Merge chunk by chunk: read, drop, trim, merge and round, in blocks that stay in the cache."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from threading import local
from typing import TypeVar

import torch
from torch import Tensor

from merging.engine.beyond import ChunkMagnitudes, Here, Known, Remembered
from merging.engine.cache import Intermediates, Key
from merging.engine.chunks import Chunk
from merging.engine.fit import kind
from merging.engine.halves import Halves, halves
from merging.engine.lanes import Lane, masks_on
from merging.engine.loops import narrow, narrow_sum
from merging.engine.packed import Packed, packed
from merging.engine.places import Places
from merging.engine.plan import Plan
from merging.engine.pool import Workers
from merging.engine.sources import Raw, Sources
from merging.errors import CompatibilityError
from merging.methods.compiled import compiles
from merging.methods.context import Context, Masks, Statistics, Totals
from merging.methods.magnitudes import SortedMagnitudes

FIRST_LOOK = 1024  # elements that nearly always tell whether models differ

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answers:
    """What was found in passes beforehand.

    Attributes:
        drop, trim, merge: For each step of a method, by tensor: only where a kernel asks for
            something beyond a chunk.
        survey: Of the whole model.
        asks_drop, asks_merge: Whether the step asks for sums over its tensor.
        frozen: Tensors that are equal in all models.
    """

    drop: Mapping[str, Known] = field(default_factory=dict)
    trim: Mapping[str, Known] = field(default_factory=dict)
    merge: Mapping[str, Known] = field(default_factory=dict)
    survey: object = None
    asks_drop: bool = False
    asks_merge: bool = False
    frozen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Stream:
    """A merge that goes chunk by chunk.

    Every method that is given a chunk may be called in any thread, but within ``each``: on a device
    what it returns is valid there only.

    Attributes:
        sources: The open models.
        told: What kernels are told of every chunk.
        pool: Threads; asked whether to go on.
        places: Where each tensor is worked on.
        answers: What lies beyond a chunk.
        cache: Where trimmed deltas are kept, or None; on a device only what is small is.
        key: Of everything that trimmed deltas depend on.
    """

    sources: Sources
    told: Context
    pool: Workers
    places: Places
    answers: Answers = Answers()
    cache: Intermediates | None = None
    key: str = ""
    _scratch: local = field(default_factory=local)

    def each(
        self,
        work: Callable[[Item], Result],
        items: Iterable[Item],
        chunk_of: Callable[[Item], Chunk],
    ) -> Iterator[tuple[Item, Result]]:
        """Yield items and what their work returned, in order.

        Args:
            work: Called in a thread where the item's tensor is worked on; what it returns lies on
                the CPU.
            items: Taken as threads become free.
            chunk_of: A chunk of the tensor that an item is about.
        """

        def at_home(item: Item) -> Result:
            with self.places.at(chunk_of(item).step.tensor):
                return work(item)

        homes = self.places.homes
        return self.pool.each(at_home, items, lambda item: homes[chunk_of(item).step.tensor])

    def context(self, chunk: Chunk) -> Context:
        """Return what kernels are told of a chunk, before anything is known of the numbers."""
        told = replace(
            self.told, tensor=chunk.step.tensor, start=chunk.start, survey=self.answers.survey
        )
        if self.sources.plan.local:
            told = replace(told, settings=self.sources.plan.settings(chunk.step.tensor))
        if self.places.on_host:
            return told
        return replace(told, masks=masks_on(told.masks, self._lane(chunk).device))

    def merged(self, chunk: Chunk, out: Tensor) -> Tensor:
        """Merge a chunk.

        Args:
            chunk: Which.
            out: Gets the merged weights, rounded to its type, shape (size,); it is returned.

        Raises:
            CompatibilityError: A number is not finite, or does not fit the type.
            Cancelled: The others were stopped.
        """
        spec = self.sources.plan.recipe.spec
        settings = self.sources.plan.settings(chunk.step.tensor)
        assert spec.merge is not None
        lane = self._lane(chunk)
        made = lane.room(out)
        still = chunk.step.tensor in self.answers.frozen and spec.keeps_equal(settings)
        for begin, part, base, told in self._trimmed(chunk):
            self.pool.check()
            merged = part[0] if still else spec.merge(part, told)
            under = base if self.sources.deltas and self.sources.base is not None else None
            _put(merged, under, made[begin : begin + lane.length], chunk)
        lane.take(made, out)
        return out

    def pieces(self, chunk: Chunk) -> Iterator[tuple[Context, Tensor]]:
        """Yield trimmed deltas of a chunk, block by block, with what kernels are told."""
        for _, part, _, told in self._trimmed(chunk):
            self.pool.check()
            yield told, part

    def sparse(self, chunk: Chunk) -> Tensor:
        """Return what the method's first step leaves of a chunk, in this thread's own memory."""
        stack, base = self.space(chunk)
        self._read(self.sources.raw(chunk), stack, base)
        return stack

    def read(self, chunk: Chunk) -> Tensor:
        """Return deltas or weights of a chunk, in this thread's own memory."""
        stack, base = self.space(chunk)
        self._fill(self.sources.raw(chunk), stack, base)
        return stack

    def still(self, chunk: Chunk) -> bool:
        """Return whether all models hold the same numbers in a chunk."""
        starts = [0, *range(FIRST_LOOK, chunk.size, self._lane(chunk).length)]
        parts = (chunk.part(a, b) for a, b in pairwise([*starts, chunk.size]))
        return all(map(self.sources.still, parts))

    def space(self, chunk: Chunk, name: str = "chunk") -> tuple[Tensor, Tensor]:
        """Return this thread's memory for stack and base of a chunk; it is used again."""
        dtype, rows = self.sources.dtype(chunk.step.tensor), len(self.sources.experts)
        device = self._lane(chunk).device
        held: Tensor | None = getattr(self._scratch, name, None)
        if (
            held is None
            or (held.dtype, held.device) != (dtype, device)
            or held.shape[1] < chunk.size
        ):
            held = torch.empty(rows + 1, chunk.size, dtype=dtype, device=device)
            setattr(self._scratch, name, held)
        return held[:rows, : chunk.size], held[rows, : chunk.size]

    @property
    def kept(self) -> Intermediates | None:
        """Where trimmed deltas are kept, or None.

        What is neither trimmed nor dropped is as quickly read again, and a device's memory is the
        chunks'.
        """
        spec = self.sources.plan.recipe.spec
        return self.cache if self.places.on_host and (spec.trim or spec.sparsify) else None

    def _lane(self, chunk: Chunk) -> Lane:
        return self.places.lane(chunk.step.tensor)

    def _fill(self, raw: Raw, stack: Tensor, base: Tensor) -> None:
        self.sources.fill(raw.moved(self._lane(raw.chunk).bring), stack, base)

    def _trimmed(self, chunk: Chunk) -> Iterator[tuple[int, Tensor, Tensor, Context]]:
        """Yield begin, trimmed deltas, base and context of every block."""
        spec = self.sources.plan.recipe.spec
        keep, asks = self.kept is not None, self.answers.asks_merge and chunk.whole
        drops = self.answers.asks_drop and chunk.whole
        if not (spec.trim or keep or asks or drops):
            yield from self._blockwise(self.sources.raw(chunk), self._read)
            return
        kept = None if asks else self._kept(chunk)
        if isinstance(kept, Halves):
            raw = Raw(chunk, self.sources.stored_base(chunk), kept.experts())
            yield from self._blockwise(raw, self._fill)
            return
        stack, base, done = self._stack(chunk, whole=keep or asks)
        totals: Totals | None = self.answers.merge.get(chunk.step.tensor)
        if asks:
            totals = Here(stack, self.context(chunk))
        parts = self._blocks(chunk, stack) if done else self._trim(chunk, stack)
        for begin, part, told in parts:
            under = base[begin : begin + self._lane(chunk).length]
            yield begin, part, under, replace(told, base=under, totals=totals)

    def _stack(self, chunk: Chunk, whole: bool) -> tuple[Tensor, Tensor, bool]:
        """Return a chunk's deltas and base, and whether they are trimmed already."""
        stack, base = self.space(chunk)
        found = self._kept(chunk)
        if isinstance(found, Packed | Halves):
            self._recall(found, chunk, stack, base)
            return stack, base, True
        raw = self.sources.raw(chunk)
        self._read(raw, stack, base)
        if whole:
            deque(self._trim(chunk, stack, out=stack), maxlen=0)
        if self.kept is not None:
            kept = (self.sources.deltas and halves(raw, stack)) or packed(stack)
            self.kept.put(self._key(chunk), kept, kept.size)
        return stack, base, whole

    def _key(self, chunk: Chunk) -> Key:
        return Key(self.key, "trimmed", chunk.step.tensor, chunk.start)

    def _kept(self, chunk: Chunk) -> object:
        return self.kept.get(self._key(chunk)) if self.kept else None

    def _recall(self, kept: Packed | Halves, chunk: Chunk, stack: Tensor, base: Tensor) -> None:
        """Fill stack and base with trimmed deltas that were kept, and with what they change."""
        stored = self.sources.stored_base(chunk)
        if isinstance(kept, Halves):
            self.sources.fill(Raw(chunk, stored, kept.experts()), stack, base)
            return
        kept.into(stack)
        if stored is not None:
            base.copy_(stored)

    def _blockwise(
        self, raw: Raw, read: Callable[[Raw, Tensor, Tensor], None]
    ) -> Iterator[tuple[int, Tensor, Tensor, Context]]:
        """Yield blocks that were never written as a whole chunk, but stay in the cache."""
        chunk = raw.chunk
        told = self.context(chunk)
        totals = self.answers.merge.get(chunk.step.tensor)
        length = self._lane(chunk).length
        for begin in range(0, chunk.size, length):
            part = raw.part(begin, min(begin + length, chunk.size))
            stack, base = self.space(part.chunk, "block")
            read(part, stack, base)
            start = part.chunk.start
            yield begin, stack, base, replace(told, start=start, base=base, totals=totals)

    def _read(self, raw: Raw, stack: Tensor, base: Tensor) -> None:
        """Read a chunk and drop what the method's first step drops."""
        chunk = raw.chunk
        self._fill(raw, stack, base)
        sparsify = self.sources.plan.recipe.spec.sparsify
        if sparsify is None:
            return
        told, known = self.context(chunk), self.answers.drop.get(chunk.step.tensor)
        totals: Totals | None = known
        if known is None and self.answers.asks_drop:
            told = replace(told, masks=Remembered(told.masks, chunk.start, chunk.size))
            totals = Here(stack, told)
        length = self._lane(chunk).length
        for begin in range(0, chunk.size, length):
            part = stack[:, begin : begin + length]
            here = replace(told, start=chunk.start + begin, base=None, totals=totals)
            part.copy_(sparsify(part, here))

    def _trim(
        self, chunk: Chunk, stack: Tensor, out: Tensor | None = None
    ) -> Iterator[tuple[int, Tensor, Context]]:
        """Trim block by block; ``out`` gets the results."""
        trim, known = self.sources.plan.recipe.spec.trim, self.answers.trim
        length = self._lane(chunk).length
        sizes = ChunkMagnitudes(stack, length, known.get(chunk.step.tensor), chunk.number)
        for number, (begin, part, told) in enumerate(self._blocks(chunk, stack)):
            sizes.block = number
            told = replace(told, magnitudes=sizes)
            kept = trim(part, told) if trim else part
            if out is not None:
                out[:, begin : begin + length] = kept
            yield begin, kept, told

    def _blocks(self, chunk: Chunk, stack: Tensor) -> Iterator[tuple[int, Tensor, Context]]:
        told, length = self.context(chunk), self._lane(chunk).length
        for begin in range(0, chunk.size, length):
            part = stack[:, begin : begin + length]
            yield begin, part, replace(told, start=chunk.start + begin)


def told_of(plan: Plan, masks: Masks, statistics: Statistics | None) -> Context:
    """Return what kernels are told of a chunk of a plan that holds no element."""
    return Context(
        tensor=plan.merged()[0].tensor,
        experts=tuple(e.id for e in plan.recipe.experts),
        settings=plan.recipe.settings(),
        masks=masks,
        magnitudes=SortedMagnitudes(()),
        statistics=statistics,
        base=None if plan.base is None else torch.zeros(0),
        names=tuple(s.tensor for s in plan.merged()),
    )


def _put(merged: Tensor, base: Tensor | None, out: Tensor, chunk: Chunk) -> None:
    """Add a block to the base and round it to the output type, once."""
    if out.dtype == torch.bfloat16 and compiles(merged) and merged.dtype == torch.float32:
        half, change = out.view(torch.uint16).numpy(), merged.reshape(-1).numpy()
        fits = narrow(change, half) if base is None else narrow_sum(base.numpy(), change, half)
    else:
        out.copy_(merged if base is None else base + merged)
        fits = bool(out.isfinite().all())
    if not fits:
        raise CompatibilityError(
            f"The merged {chunk.step.tensor!r} does not fit {kind(out.dtype)}. "
            "Lower λ, the weights or the drop rate, or choose dtype float32."
        )
