"""Carry out a plan chunk by chunk, in threads."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import torch

from merging.engine.chunks import Chunk, cut
from merging.engine.job import Job
from merging.engine.lanes import masks_on
from merging.engine.passes import expected, prepare
from merging.engine.places import LANES, Places, devices_of
from merging.engine.plan import Plan
from merging.engine.pool import Workers, workers
from merging.engine.sink import Sink
from merging.engine.sources import Sources, open_sources
from merging.engine.stages import stage_key
from merging.engine.stream import Stream, told_of

FEW = 8  # chunks of a model so small that threads would not pay


def streams(plan: Plan) -> bool:
    """Return whether a plan can be carried out chunk by chunk."""
    settings = plan.recipe.settings()
    mixed = bool(plan.wide) and plan.recipe.spec.scope(settings) == "model"
    each = (settings, *plan.local.values())
    return all(map(plan.recipe.spec.streams, each)) and not mixed


def stream_into(job: Job, sink: Sink) -> frozenset[str]:
    """Merge all tensors of a plan that are to be merged.

    Args:
        job: Its method streams.
        sink: Takes the merged weights.

    Returns:
        Names of tensors that are equal in all models.

    Raises:
        CompatibilityError: A number is not finite, or a result does not fit the output type.
        Cancelled: As raised by the job's progress.
    """
    plan, recipe = job.plan, job.plan.recipe
    deltas = recipe.spec.space_of(recipe.settings()) == "deltas"
    chunks, done = list(cut(plan.merged(), job.chunk)), sink.done
    todo = [c for c in chunks if c.step.tensor not in done]
    meter, places = _Meter(job), Places(plan, devices_of(job.device), job.chunk)
    with (
        open_sources(plan, deltas) as sources,
        _pool(job, places, len(chunks) > FEW, meter) as pool,
    ):
        told = told_of(plan, masks_on(job.masks, "cpu"), job.statistics)
        key = stage_key(job, told) if job.cache else ""
        stream = Stream(sources, told, pool, places, cache=job.cache if key else None, key=key)
        meter.total = max(1, expected(plan, told, chunks) + sum(c.size for c in todo))
        alone = recipe.spec.scope(recipe.settings()) != "model"
        stream = prepare(stream, chunks, todo if alone else chunks, meter.add)

        def work(chunk: Chunk) -> None:
            room = sink.room(chunk.step.tensor, chunk.start, chunk.size)
            sink.write(chunk.step.tensor, chunk.start, stream.merged(chunk, room))

        for chunk, _ in stream.each(work, _announced(sources, todo), lambda chunk: chunk):
            meter.add(chunk.size, f"merge {chunk.step.tensor}")
    return stream.answers.frozen


def _pool(job: Job, places: Places, many: bool, meter: "_Meter") -> AbstractContextManager[Workers]:
    """Open threads: those of the CPU compute, those of a device copy, as many at once as may."""
    threads = job.threads if many else 1
    if places.on_host:
        return workers(threads, meter.again)
    homes = len(places.devices) if many else 1
    inner = max(1, (job.threads or torch.get_num_threads()) // (LANES * homes))
    return workers(LANES if many else 1, meter.again, homes, inner)


class _Meter:
    """Tells the job's progress by elements gone through, never backwards."""

    def __init__(self, job: Job) -> None:
        self.total = 1
        self._job, self._done, self._word = job, 0, "look at the weights"

    def add(self, elements: int, word: str = "") -> None:
        self._done += elements
        self._word = word or self._word
        self.again()

    def again(self) -> None:
        self._job.progress(min(0.999, self._done / self.total), self._word)


def _announced(sources: Sources, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield chunks, each told to the disk first: a pool takes few more than it works on."""
    for chunk in chunks:
        sources.expect(chunk)
        yield chunk
