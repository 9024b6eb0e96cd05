"""Carry out a plan chunk by chunk, in threads."""

from collections.abc import Iterable, Iterator

from merging.engine.chunks import Chunk, cut
from merging.engine.job import Job
from merging.engine.passes import expected, prepare
from merging.engine.plan import Plan
from merging.engine.pool import workers
from merging.engine.sink import Sink
from merging.engine.sources import Sources, open_sources
from merging.engine.stages import stage_key
from merging.engine.stream import Stream, told_of

FEW = 8  # chunks of a model so small that threads would not pay


def streams(plan: Plan, device: str) -> bool:
    """Return whether a plan can be carried out chunk by chunk."""
    settings = plan.recipe.settings()
    mixed = bool(plan.wide) and plan.recipe.spec.scope(settings) == "model"
    return device == "cpu" and plan.recipe.spec.streams(settings) and not mixed


def stream_into(job: Job, sink: Sink) -> frozenset[str]:
    """Merge all tensors of a plan that are to be merged.

    Args:
        job: On the CPU; its method streams.
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
    meter = _Meter(job)
    with (
        open_sources(plan, deltas) as sources,
        workers(job.threads if len(chunks) > FEW else 1, meter.again) as pool,
    ):
        told = told_of(plan, job.masks, job.statistics)
        key = stage_key(job, told) if job.cache else ""
        stream = Stream(sources, told, pool, cache=job.cache if key else None, key=key)
        meter.total = max(1, expected(plan, told, chunks) + sum(c.size for c in todo))
        alone = recipe.spec.scope(recipe.settings()) != "model"
        stream = prepare(stream, chunks, todo if alone else chunks, meter.add)

        def work(chunk: Chunk) -> None:
            room = sink.room(chunk.step.tensor, chunk.start, chunk.size)
            sink.write(chunk.step.tensor, chunk.start, stream.merged(chunk, room))

        for chunk, _ in pool.each(work, _announced(sources, todo)):
            meter.add(chunk.size, f"merge {chunk.step.tensor}")
    return stream.answers.frozen


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
