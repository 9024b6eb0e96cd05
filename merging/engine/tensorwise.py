"""Carry out a plan tensor by tensor, for methods that look at a whole tensor or model at once.

With several devices tensors are dealt out and each device has a thread; where the model is looked
at as one, all of it goes to the first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from merging.engine.job import Job
from merging.engine.lanes import masks_on
from merging.engine.places import Places, devices_of
from merging.engine.plan import Plan, Step
from merging.engine.pool import workers
from merging.engine.reading import delta, read
from merging.engine.sink import Sink, output_type
from merging.errors import CompatibilityError
from merging.methods.context import Context, Piece
from merging.methods.magnitudes import MeasuredMagnitudes, ModelMagnitudes


@dataclass(frozen=True, slots=True)
class _Work:
    """A job, where its tensors are worked on, and which were found equal in all models."""

    job: Job
    places: Places
    frozen: set[str] = field(default_factory=set)


def merge_into(job: Job, sink: Sink) -> frozenset[str]:
    """Merge all tensors of a plan that are to be merged, one after another.

    Args:
        job: Its method merges tensor by tensor.
        sink: Takes the merged weights, rounded to the output type.

    Returns:
        Names of tensors that are equal in all models.

    Raises:
        CompatibilityError: A number is not finite, or a result does not fit the output type.
        Cancelled: As raised by the job's progress.
    """
    devices = devices_of(job.device)[: 1 if _looks_at_all(job.plan) else None]
    work = _Work(job, Places(job.plan, devices))
    known = dict(_whole_model(work)) if _looks_at_all(job.plan) else None
    if known is not None:
        known = _surveyed(job.plan, known)
    done = sink.done
    steps = [s for s in job.plan.merged() if s.tensor not in done]

    def one(step: Step) -> None:
        piece = known.pop(step.tensor) if known else _trim(job.plan, _sparse(work, step))
        rounded = _merged(work, step, piece)
        sink.write(step.tensor, 0, rounded.flatten())

    if len(devices) > 1:
        _by_devices(work, one, steps)
        return frozenset(work.frozen)
    for index, step in enumerate(steps):
        job.progress(index / len(steps), f"merge {step.tensor}")
        one(step)
    return frozenset(work.frozen)


def _by_devices(work: _Work, one: Callable[[Step], None], steps: Sequence[Step]) -> None:
    """Work through tensors in one thread for each device."""
    done, places = 0, work.places

    def at_home(step: Step) -> None:
        with places.at(step.tensor):
            one(step)

    def tell() -> None:
        work.job.progress(done / max(1, len(steps)), "merge")

    many = len(places.devices)
    with workers(1, tell, many, max(1, torch.get_num_threads() // many)) as pool:
        for _ in pool.each(at_home, steps, lambda step: places.homes[step.tensor]):
            done += 1


def _merged(work: _Work, step: Step, piece: Piece) -> Tensor:
    """Take the last step of the method and round, once, on the CPU."""
    plan, spec, (context, stack) = work.job.plan, work.job.plan.recipe.spec, piece
    assert spec.merge is not None
    if step.tensor in work.frozen and spec.keeps_equal(plan.settings(step.tensor)):
        merged = stack[0]
    else:
        merged = spec.merge(stack, context)
    if _on_deltas(plan) and context.base is not None:
        merged = context.base + merged
    return cast(step.tensor, merged, output_type(plan, step))


def _on_deltas(plan: Plan) -> bool:
    return plan.recipe.spec.space_of(plan.recipe.settings()) == "deltas"


def _looks_at_all(plan: Plan) -> bool:
    return plan.recipe.spec.scope(plan.recipe.settings()) == "model"


def _sparse(work: _Work, step: Step) -> Piece:
    """Read one tensor of all models and drop from it what the method drops."""
    plan, name, device = work.job.plan, step.tensor, work.places.device(step.tensor)
    pick = delta if _on_deltas(plan) else read
    stack = torch.stack([pick(plan, model, name, device) for model in plan.experts])
    base = None if plan.base is None else read(plan, plan.base, name, device)
    still = 0 if _on_deltas(plan) else stack[0] if base is None else base
    if bool((stack == still).all()):
        work.frozen.add(name)
    context = Context(
        tensor=name,
        experts=tuple(e.id for e in plan.recipe.experts),
        settings=plan.settings(name),
        masks=masks_on(work.job.masks, device),
        magnitudes=MeasuredMagnitudes(stack),
        base=base,
        statistics=work.job.statistics,
        names=tuple(s.tensor for s in plan.merged()),
    )
    sparsify = plan.recipe.spec.sparsify
    if sparsify is None:
        return context, stack
    stack = sparsify(stack, context)
    return replace(context, magnitudes=MeasuredMagnitudes(stack)), stack


def _trim(plan: Plan, piece: Piece) -> Piece:
    context, sparse = piece
    trim = plan.recipe.spec.trim
    return context, trim(sparse, context) if trim else sparse


def _whole_model(work: _Work) -> Iterator[tuple[str, Piece]]:
    for step in work.job.plan.merged():
        work.job.progress(0.0, f"read {step.tensor}")
        yield step.tensor, _sparse(work, step)


def _surveyed(plan: Plan, pieces: Mapping[str, Piece]) -> dict[str, Piece]:
    """Trim by the magnitudes of the whole model, and give every piece the method's survey."""
    stacks = [stack for _, stack in pieces.values()]
    magnitudes = ModelMagnitudes(
        gather=lambda expert: torch.cat([stack[expert].flatten() for stack in stacks]),
        count=sum(stack[0].numel() for stack in stacks),
    )
    wide = {
        name: _trim(plan, (replace(context, magnitudes=magnitudes), stack))
        for name, (context, stack) in pieces.items()
    }
    survey = plan.recipe.spec.survey
    found = survey(lambda: iter(wide.values())) if survey else None
    return {name: (replace(c, survey=found), stack) for name, (c, stack) in wide.items()}


def cast(name: str, merged: Tensor, dtype: torch.dtype) -> Tensor:
    """Round a result to the output type, once, on the CPU.

    Raises:
        CompatibilityError: It does not fit the type; the tensor is named.
    """
    result = merged.to(dtype).cpu()
    if not torch.isfinite(result).all():
        raise CompatibilityError(
            f"The merged {name!r} does not fit {str(dtype).removeprefix('torch.')}. "
            "Lower λ, the weights or the drop rate, or choose dtype float32."
        )
    return result
