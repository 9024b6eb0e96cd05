"""Carry out a plan tensor by tensor, for methods that look at a whole tensor or model at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from merging.engine.job import Job
from merging.engine.plan import Plan, Step
from merging.engine.reading import delta, read
from merging.engine.sink import Sink, output_type
from merging.errors import CompatibilityError
from merging.methods.context import Context, Piece
from merging.methods.magnitudes import MeasuredMagnitudes, ModelMagnitudes


@dataclass(frozen=True, slots=True)
class _Work:
    """A job, and which tensors were found equal in all models."""

    job: Job
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
    work = _Work(job)
    plan, spec = job.plan, job.plan.recipe.spec
    assert spec.merge is not None
    known = dict(_whole_model(work)) if _looks_at_all(plan) else None
    if known is not None:
        known = _surveyed(plan, known)
    done = sink.done
    steps = [s for s in plan.merged() if s.tensor not in done]
    for index, step in enumerate(steps):
        job.progress(index / len(steps), f"merge {step.tensor}")
        context, stack = known.pop(step.tensor) if known else _trim(plan, _sparse(work, step))
        if step.tensor in work.frozen and spec.keeps_equal(plan.recipe.settings()):
            merged = stack[0]
        else:
            merged = spec.merge(stack, context)
        if _on_deltas(plan) and context.base is not None:
            merged = context.base + merged
        rounded = cast(step.tensor, merged, output_type(plan, step))
        sink.write(step.tensor, 0, rounded.flatten())
    return frozenset(work.frozen)


def _on_deltas(plan: Plan) -> bool:
    return plan.recipe.spec.space_of(plan.recipe.settings()) == "deltas"


def _looks_at_all(plan: Plan) -> bool:
    return plan.recipe.spec.scope(plan.recipe.settings()) == "model"


def _sparse(work: _Work, step: Step) -> Piece:
    """Read one tensor of all models and drop from it what the method drops."""
    plan, name, device = work.job.plan, step.tensor, work.job.device
    pick = delta if _on_deltas(plan) else read
    stack = torch.stack([pick(plan, model, name, device) for model in plan.experts])
    base = None if plan.base is None else read(plan, plan.base, name, device)
    still = 0 if _on_deltas(plan) else stack[0] if base is None else base
    if bool((stack == still).all()):
        work.frozen.add(name)
    context = Context(
        tensor=name,
        experts=tuple(e.id for e in plan.recipe.experts),
        settings=plan.recipe.settings(),
        masks=work.job.masks,
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
