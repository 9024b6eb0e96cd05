"""Passes over the weights before a merge: what kernels ask about elements beyond their chunk.

A kernel that is handed an empty stack tells what it wants to know. Each step of a method may ask,
and the answers to one step are needed before the next can: first sums for dropping, then order
statistics for trimming, then sums or a survey for merging.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

import numpy as np
from torch import Tensor

from merging.engine.beyond import Kernel, Known, ask
from merging.engine.cache import Key
from merging.engine.chunks import Chunk
from merging.engine.plan import Plan
from merging.engine.ranks import SPOT, Rank, Wanted, rank, spots_of
from merging.engine.stream import Stream
from merging.methods.context import Context, Measure, Piece
from merging.methods.device_selection import count_there
from merging.methods.selection import Bits, Bracket, Count, bits_of, count
from merging.methods.totals import Tally, add, blocks

Tick = Callable[[int], None]  # called with how many elements were just gone through
Pieces = Callable[[Chunk], Iterable[Piece]]
Sums = list[dict[str, Tensor]]
Measures = Mapping[str, Mapping[str, Measure]]  # by tensor and name


def prepare(stream: Stream, chunks: Sequence[Chunk], needed: Sequence[Chunk], tick: Tick) -> Stream:
    """Return the stream with all answers that its method needs.

    Args:
        stream: Without answers.
        chunks: Of all tensors, in order.
        needed: Those that the answers are about: all where the model is compared as one, else
            those that are to be merged.
        tick: Progress; it may raise ``Cancelled``.
    """
    stream = _with(stream, frozen=_frozen(stream, chunks))
    for step in (_drop, _trim, _merge):
        stream = step(stream, needed, tick)
    return stream


def expected(plan: Plan, told: Context, chunks: Sequence[Chunk]) -> int:
    """Return how many elements ``prepare`` will go through, if no sample is unlucky.

    Args:
        plan: Its method streams.
        told: What kernels are told of a chunk without elements.
        chunks: Of all tensors.
    """
    spec, settings = plan.recipe.spec, told.settings
    large, every = sum(c.size for c in chunks if not c.whole), sum(c.size for c in chunks)
    wide = spec.scope(settings) == "model"
    passes = large * bool(ask(spec.sparsify, told).measures)
    if ask(spec.trim, told, every).wanted:
        passes += every if wide else large
    if wide:
        return passes + every * (isinstance(spec.survey, Tally) and spec.survey.needed(settings))
    return passes + large * bool(ask(spec.merge, told).measures)


def _with(stream: Stream, **found: object) -> Stream:
    return replace(stream, answers=replace(stream.answers, **found))  # type: ignore[arg-type]


def _frozen(stream: Stream, chunks: Sequence[Chunk]) -> frozenset[str]:
    """Tensors that are equal in all models; the first difference ends the look."""
    tensors = [list(group) for _, group in groupby(chunks, lambda c: c.step.tensor)]
    looks = stream.each(lambda parts: all(map(stream.still, parts)), tensors, itemgetter(0))
    return frozenset(parts[0].step.tensor for parts, still in looks if still)


def _drop(stream: Stream, chunks: Sequence[Chunk], tick: Tick) -> Stream:
    sparsify = stream.sources.plan.recipe.spec.sparsify
    asked = _asked(stream, sparsify, chunks)
    if not any(asked.values()):
        return stream
    sums = _sums(stream, chunks, asked, tick, lambda c: [(stream.context(c), stream.read(c))])
    return _with(stream, drop=sums, asks_drop=True)


def _trim(stream: Stream, chunks: Sequence[Chunk], tick: Tick) -> Stream:
    plan = stream.sources.plan
    spec, settings = plan.recipe.spec, plan.recipe.settings()
    if spec.trim is None:
        return stream
    if spec.scope(settings) == "model":
        known = _ranked(stream, chunks, tick)
        return _with(stream, trim={c.step.tensor: known for c in chunks})
    large = {name: parts for name, parts in _by_tensor(chunks) if not parts[0].whole}
    return _with(stream, trim={n: _ranked(stream, parts, tick) for n, parts in large.items()})


def _merge(stream: Stream, chunks: Sequence[Chunk], tick: Tick) -> Stream:
    plan = stream.sources.plan
    spec, settings = plan.recipe.spec, plan.recipe.settings()
    if spec.scope(settings) == "model" and isinstance(spec.survey, Tally):
        if not spec.survey.needed(settings):
            return stream
        measure = spec.survey.measure
        told = {c.step.tensor: {"survey": measure} for c in chunks}
        parts = _measured(stream, chunks, told, tick, stream.pieces)
        return _with(stream, survey=add(p["survey"] for _, found in parts for p in found))
    asked = _asked(stream, spec.merge, chunks)
    if not any(asked.values()):
        return stream
    sums = _sums(stream, chunks, asked, tick, stream.pieces)
    return _with(stream, merge=sums, asks_merge=True)


def _asked(stream: Stream, kernel: Kernel | None, chunks: Sequence[Chunk]) -> Measures:
    """Sums that a kernel asks for at each tensor; the settings may differ between tensors."""
    if not stream.sources.plan.local:
        measures = ask(kernel, stream.told).measures
        return {c.step.tensor: measures for c in chunks}
    firsts = {c.step.tensor: c for c in reversed(chunks)}
    return {name: ask(kernel, _told(stream, c)).measures for name, c in firsts.items()}


def _told(stream: Stream, chunk: Chunk) -> Context:
    """What kernels are told of a tensor without elements."""
    if not stream.sources.plan.local:
        return stream.told
    name = chunk.step.tensor
    return replace(stream.told, tensor=name, settings=stream.sources.plan.settings(name))


def _by_tensor(chunks: Sequence[Chunk]) -> Iterator[tuple[str, list[Chunk]]]:
    for name, parts in groupby(chunks, lambda c: c.step.tensor):
        yield name, list(parts)


def _measured(
    stream: Stream,
    chunks: Sequence[Chunk],
    measures: Measures,
    tick: Tick,
    pieces: Pieces,
) -> Iterator[tuple[Chunk, Sums]]:
    """Yield chunks and what each measure says of every block of theirs."""

    def work(chunk: Chunk) -> Sums:
        found = [
            {name: measure(block, told) for name, measure in measures[chunk.step.tensor].items()}
            for context, stack in pieces(chunk)
            for told, block in blocks(stack, context)
        ]
        return [{name: sums.cpu() for name, sums in each.items()} for each in found]

    for chunk, found in stream.each(work, chunks, lambda chunk: chunk):
        tick(chunk.size)
        yield chunk, found


def _sums(
    stream: Stream,
    chunks: Sequence[Chunk],
    measures: Measures,
    tick: Tick,
    pieces: Pieces,
) -> dict[str, Known]:
    """Add measures over every tensor that does not fit one chunk."""
    large = [c for c in chunks if not c.whole and measures[c.step.tensor]]
    found = _measured(stream, large, measures, tick, pieces)
    known = {}
    for name, group in groupby(found, lambda pair: pair[0].step.tensor):
        parts = [block for _, blocks_of in group for block in blocks_of]
        known[name] = Known(sums={m: add(part[m] for part in parts) for m in measures[name]})
    return known


def _ranked(stream: Stream, chunks: Sequence[Chunk], tick: Tick) -> Known:
    """Find the order statistics that a trim over all these chunks asks for."""
    total = sum(c.size for c in chunks)
    told = _told(stream, chunks[0])
    wanted = ask(stream.sources.plan.recipe.spec.trim, told, total).wanted
    if not wanted:
        return Known(total)
    name = chunks[0].step.tensor if chunks[0].step == chunks[-1].step else ""
    key = Key(stream.key, "ranks", name)
    kept = stream.cache.get(key) if stream.cache else None
    if isinstance(kept, Known):
        return kept
    known = Known(total, _ranks(stream, chunks, wanted, total, tick))
    if stream.cache:
        stream.cache.put(key, known, sum(len(r.ties) for r in known.ranks.values()) * 8)
    return known


def _ranks(
    stream: Stream, chunks: Sequence[Chunk], wanted: Sequence[Wanted], total: int, tick: Tick
) -> dict[Wanted, Rank]:
    def look(
        brackets: Mapping[Wanted, Bracket],
    ) -> Iterator[tuple[int, dict[Wanted, Count]]]:
        def work(pair: tuple[int, Chunk]) -> dict[Wanted, Count]:
            stack = stream.sparse(pair[1])
            return {want: _counted(stack[want[0]], b) for want, b in brackets.items()}

        for (index, chunk), found in stream.each(work, list(enumerate(chunks)), itemgetter(1)):
            tick(chunk.size)
            yield index, found

    dtype = stream.sources.dtype(chunks[0].step.tensor)
    return rank(look, _samples(stream, chunks, total), wanted, total, dtype)


def _counted(row: Tensor, bracket: Bracket) -> Count:
    counted = count(row, bracket) if row.is_cpu else count_there(row, bracket)
    return counted if counted.times is not None else counted.packed()


def _samples(stream: Stream, chunks: Sequence[Chunk], total: int) -> list[Bits]:
    """Sizes at random places, in runs of neighbours, for each expert."""
    source = np.random.default_rng(total)
    wanted = spots_of(total)
    spots = []
    for chunk in chunks:
        share = chunk.size * wanted / total
        many = int(share) + int(source.random() < share - int(share))
        starts = sorted(source.integers(0, max(1, chunk.size - SPOT + 1), many).tolist())
        spots += [chunk.part(s, min(s + SPOT, chunk.size)) for s in starts]
    parts = [
        [bits_of(row) for row in stack]
        for _, stack in stream.each(
            lambda spot: stream.sparse(spot).to("cpu", copy=True), spots, lambda spot: spot
        )
    ]
    return [np.concatenate([p[e] for p in parts]) for e in range(len(stream.told.experts))]
