"""Carry out a plan in float32, tensor by tensor or as a method on whole models."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from merging.engine.devices import checked_device
from merging.engine.outcome import Outcome, TensorReport
from merging.engine.plan import Plan, Step
from merging.engine.reading import PlannedModels, Progress, Scorer, delta, read
from merging.errors import CompatibilityError, ResourceError
from merging.methods.context import Context, Masks, Merged, Piece, Statistics
from merging.methods.magnitudes import MeasuredMagnitudes, ModelMagnitudes
from merging.methods.masks import HashMasks

FROZEN = "equal in all models, so there is no change to merge"


@dataclass(frozen=True, slots=True)
class _Work:
    """What every step of one run shares."""

    plan: Plan
    device: str
    masks: Masks
    statistics: Statistics | None
    frozen: set[str] = field(default_factory=set)  # equal in all models


def run(
    plan: Plan,
    progress: Progress = lambda fraction, message: None,
    device: str | None = None,
    masks: Masks | None = None,
    statistics: Statistics | None = None,
    scorer: Scorer | None = None,
) -> Outcome:
    """Merge.

    Args:
        plan: What to do.
        progress: Called with the share done, from 0 to 1, and a word; it may raise ``Cancelled``.
        device: Where to compute; CUDA when there is one by default.
        masks: Other random masks than those of the recipe's seed.
        statistics: What methods such as Fisher averaging need to have measured.
        scorer: Returns how good a model is, for methods that choose; higher is better.

    Returns:
        Merged tensors on the CPU, in the recipe's type or the reference's, and the report.

    Raises:
        CompatibilityError: A weight is not finite, or the result does not fit the output type.
        RecipeError: The method needs statistics or a scorer and there are none.
        ResourceError: Memory ran out, or the device is not there.
        Cancelled: As raised by ``progress``.
    """
    begin = time.perf_counter()
    where = checked_device(device)
    work = _Work(plan, where, masks or HashMasks(plan.recipe.seed, where), statistics)
    try:
        with torch.no_grad():  # not inference_mode: callers get ordinary tensors
            if plan.recipe.spec.whole is not None:
                found = plan.recipe.spec.whole(PlannedModels(plan, where, progress, scorer))
            else:
                merged = _merged(work, progress)
                found = Merged(merged, notes=dict.fromkeys(sorted(work.frozen), FROZEN))
            tensors = _finished(work, found)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ResourceError(_no_memory(plan, where)) from error
    progress(1.0, "merged")
    return Outcome(
        recipe=plan.recipe,
        tensors=tensors,
        report=_report(plan, found),
        seconds=time.perf_counter() - begin,
        device=where,
        per_task=found.per_task,
        config=found.config,
    )


def _merged(work: _Work, progress: Progress) -> dict[str, Tensor]:
    """Merge tensor by tensor; weights, in the type they were computed in."""
    plan, spec = work.plan, work.plan.recipe.spec
    assert spec.merge is not None
    known = dict(_whole_model(work, progress)) if _looks_at_all(plan) else None
    if known is not None:
        known = _surveyed(plan, known)
    done = {}
    steps = plan.merged()
    for index, step in enumerate(steps):
        progress(index / len(steps), f"merge {step.tensor}")
        context, stack = known.pop(step.tensor) if known else _trim(plan, _sparse(work, step))
        if step.tensor in work.frozen and spec.keeps_equal(plan.recipe.settings()):
            merged = stack[0]
        else:
            merged = spec.merge(stack, context)
        if _on_deltas(plan) and context.base is not None:
            merged = context.base + merged
        done[step.tensor] = merged
    return done


def _on_deltas(plan: Plan) -> bool:
    return plan.recipe.spec.space_of(plan.recipe.settings()) == "deltas"


def _looks_at_all(plan: Plan) -> bool:
    return plan.recipe.spec.scope(plan.recipe.settings()) == "model"


def _sparse(work: _Work, step: Step) -> Piece:
    """Read one tensor of all models and drop from it what the method drops."""
    plan, name, device = work.plan, step.tensor, work.device
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
        masks=work.masks,
        magnitudes=MeasuredMagnitudes(stack),
        base=base,
        statistics=work.statistics,
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


def _whole_model(work: _Work, progress: Progress) -> Iterator[tuple[str, Piece]]:
    for step in work.plan.merged():
        progress(0.0, f"read {step.tensor}")
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


def _finished(work: _Work, found: Merged) -> dict[str, Tensor]:
    """Round merged tensors once, to the output type, and add what is copied."""
    plan = work.plan
    infos = plan.reference.tensors()
    floating = next(s.info.dtype for s in plan.merged())
    named = plan.recipe.dtype
    done = {}
    for name, tensor in found.tensors.items():
        own = infos[name].dtype if name in infos else floating
        done[name] = _cast(name, tensor, getattr(torch, named) if named else own)
    for step in plan.steps:
        if step.action == "copy":
            done[step.tensor] = _copied(plan, step)
    for step in plan.steps:
        if step.action == "tie":
            done[step.tensor] = done[step.source].clone()  # files refuse shared memory
    return dict(sorted(done.items()))


def _copied(plan: Plan, step: Step) -> Tensor:
    tensor = plan.reference.load(step.tensor).clone()
    if plan.recipe.dtype is None or not step.info.dtype.is_floating_point:
        return tensor
    return _cast(step.tensor, tensor, getattr(torch, plan.recipe.dtype))


def _cast(name: str, merged: Tensor, dtype: torch.dtype) -> Tensor:
    result = merged.to(dtype).cpu()
    if not torch.isfinite(result).all():
        raise CompatibilityError(
            f"The merged {name!r} does not fit {str(dtype).removeprefix('torch.')}. "
            "Lower λ, the weights or the drop rate, or choose dtype float32."
        )
    return result


def _report(plan: Plan, found: Merged) -> tuple[TensorReport, ...]:
    """Say what was done to each tensor, also to those that a method made or dropped."""
    told = {s.tensor: TensorReport(s.tensor, s.action, s.reason) for s in plan.steps}
    for step in plan.merged():
        if step.tensor not in found.tensors:
            told[step.tensor] = TensorReport(step.tensor, "leave_out", "dropped by the method")
    for name in found.tensors:
        told.setdefault(name, TensorReport(name, "merge", "made by the method"))
    for name, note in found.notes.items():
        told[name] = replace(told[name], reason=note)
    return tuple(told[name] for name in sorted(told))


def _no_memory(plan: Plan, device: str) -> str:
    size = sum(torch.Size(s.info.shape).numel() for s in plan.merged())
    return (
        f"Not enough memory on {device} for {len(plan.experts)} expert(s) of "
        f"{size / 1e6:.1f} M weights. Nothing was lost. Try fewer experts or a smaller set."
    )
