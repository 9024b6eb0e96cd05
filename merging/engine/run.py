"""Carry out a plan: chunk by chunk, tensor by tensor, or as a method on whole models."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from merging.engine.cache import Intermediates
from merging.engine.estimate import chosen
from merging.engine.job import FROZEN, Job
from merging.engine.outcome import Outcome, TensorReport
from merging.engine.places import chunk_of
from merging.engine.plan import Plan, Step
from merging.engine.reading import PlannedModels, Progress, Scorer
from merging.engine.sink import Memory, Sink, Tied, output_type, outputs_of
from merging.engine.streaming import stream_into, streams
from merging.engine.tensorwise import cast, merge_into
from merging.errors import ResourceError, SourceError
from merging.methods.context import Masks, Merged, Statistics
from merging.methods.masks import HashMasks


def run(
    plan: Plan,
    progress: Progress = lambda fraction, message: None,
    device: str | None = None,
    masks: Masks | None = None,
    statistics: Statistics | None = None,
    scorer: Scorer | None = None,
    cache: Intermediates | None = None,
    threads: int | None = None,
) -> Outcome:
    """Merge in memory.

    Args:
        plan: What to do.
        progress: Called with the share done, from 0 to 1, and a word; it may raise ``Cancelled``.
        device: Where to compute: cpu, cuda (all GPUs) or cuda:1; by default where it is faster.
        masks: Other random masks than those of the recipe's seed.
        statistics: What methods such as Fisher averaging need to have measured.
        scorer: Returns how good a model is, for methods that choose; higher is better.
        cache: Keeps intermediate results for the next merge of the same models.
        threads: Threads to compute with; as many as torch may use by default.

    Returns:
        Merged tensors on the CPU, in the recipe's type or the reference's, and the report.

    Raises:
        CompatibilityError: A weight is not finite, or the result does not fit the output type.
        RecipeError: The method needs statistics or a scorer and there are none.
        ResourceError: Memory ran out, or the device is not there.
        SourceError: A model was changed meanwhile.
        Cancelled: As raised by ``progress``.
    """
    begin = time.perf_counter()
    where = chosen(plan, device, threads).device
    drawn = masks or HashMasks(plan.recipe.seed, where)
    chunk = chunk_of(plan, where)
    job = Job(plan, where, drawn, statistics, scorer, progress, cache, threads, chunk)
    found, tensors = carry_out(job)
    progress(1.0, "merged")
    return Outcome(
        recipe=plan.recipe,
        tensors=tensors,
        report=report_of(plan, found.tensors, found.notes),
        seconds=time.perf_counter() - begin,
        device=where,
        per_task=found.per_task,
        config=found.config,
    )


def carry_out(job: Job) -> tuple[Merged, dict[str, Tensor]]:
    """Merge a job in memory.

    Returns:
        What the method found, and all tensors of the output, sorted by name.

    Raises:
        MergeError: As ``run``.
    """
    with computing(job):
        if job.plan.recipe.spec.whole is not None:
            return _by_whole_models(job)
        sink = Memory.of(outputs_of(job.plan))
        notes = fill(job, sink)
        return Merged(sink.tensors, notes=notes), dict(sorted(sink.tensors.items()))


@contextmanager
def computing(job: Job) -> Iterator[None]:
    """Compute without gradients; say in words when memory runs out or a model is written to.

    Raises:
        ResourceError: It ran out.
        SourceError: A model is not what it was when the work began.
    """
    models = [m for m in (job.plan.base, *job.plan.experts) if m is not None]
    marks = [model.mark() for model in models]
    try:
        with torch.no_grad():  # not inference_mode: callers get ordinary tensors
            yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ResourceError(_no_memory(job)) from error
    for model, mark in zip(models, marks, strict=True):
        if model.mark() != mark:
            raise SourceError(
                f"Model {model.name} was changed while it was merged, so nothing was kept. "
                "Merge again when it is complete."
            )


def fill(job: Job, sink: Sink) -> dict[str, str]:
    """Merge tensor by tensor, copy what is copied and repeat what is tied.

    Returns:
        Notes for the report, by tensor.

    Raises:
        MergeError: As ``run``.
    """
    tied = Tied.of(sink, job.plan)
    done = tied.done
    merge = stream_into if streams(job.plan) else merge_into
    frozen = merge(job, tied)
    for step in job.plan.steps:
        if step.action == "copy" and step.tensor not in done:
            tied.write(step.tensor, 0, _copied(job.plan, step).flatten())
    return dict.fromkeys(sorted(frozen), FROZEN)


def _by_whole_models(job: Job) -> tuple[Merged, dict[str, Tensor]]:
    """Run a method that works on whole models, and round what it returns."""
    plan, spec = job.plan, job.plan.recipe.spec
    assert spec.whole is not None
    found = spec.whole(PlannedModels(plan, job.device, job.progress, job.scorer))
    infos = plan.reference.tensors()
    floating, named = next(output_type(plan, s) for s in plan.merged()), plan.recipe.dtype
    done = {}
    for name, tensor in found.tensors.items():
        own = infos[name].dtype if name in infos else floating
        done[name] = cast(name, tensor, getattr(torch, named) if named else own)
    for step in plan.steps:
        if step.action == "copy":
            done[step.tensor] = _copied(plan, step)
    for step in plan.steps:
        if step.action == "tie":
            done[step.tensor] = done[step.source].clone()  # files refuse shared memory
    return found, dict(sorted(done.items()))


def _copied(plan: Plan, step: Step) -> Tensor:
    stored, dtype = plan.reference.load(step.tensor), output_type(plan, step)
    return stored.clone() if stored.dtype == dtype else cast(step.tensor, stored, dtype)


def report_of(
    plan: Plan, made: Collection[str], notes: Mapping[str, str]
) -> tuple[TensorReport, ...]:
    """Say what was done to each tensor, also to those that a method made or dropped.

    Args:
        plan: What was to be done.
        made: Names of the tensors that came out.
        notes: What else to say, by tensor.
    """
    told = {s.tensor: TensorReport(s.tensor, s.action, s.reason) for s in plan.steps}
    for step in plan.merged():
        if step.tensor not in made:
            told[step.tensor] = TensorReport(step.tensor, "leave_out", "dropped by the method")
    for name in made:
        told.setdefault(name, TensorReport(name, "merge", "made by the method"))
    for name, note in notes.items():
        told[name] = replace(told[name], reason=note)
    return tuple(told[name] for name in sorted(told))


def _no_memory(job: Job) -> str:
    plan = job.plan
    size = sum(torch.Size(s.info.shape).numel() for s in plan.merged())
    return (
        f"Not enough memory on {job.device} for {len(plan.experts)} expert(s) of "
        f"{size / 1e6:.1f} M weights. Nothing was lost. Try fewer experts or a smaller set."
    )
