"""Carry out a plan, tensor by tensor, in float32."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.engine.devices import best_device
from merging.engine.outcome import Outcome, TensorReport
from merging.engine.plan import Plan, Step
from merging.errors import CompatibilityError, ResourceError
from merging.methods.magnitudes import MeasuredMagnitudes, ModelMagnitudes
from merging.methods.masks import HashMasks
from merging.methods.spec import Context, Magnitudes, Masks, Piece

Progress = Callable[[float, str], None]


def run(
    plan: Plan,
    progress: Progress = lambda fraction, message: None,
    device: str | None = None,
    masks: Masks | None = None,
) -> Outcome:
    """Merge.

    Args:
        plan: What to do.
        progress: Called with the share done, from 0 to 1, and a word; it may raise ``Cancelled``.
        device: Where to compute; CUDA when there is one by default.
        masks: Other random masks than those of the recipe's seed.

    Returns:
        Merged tensors on the CPU, in the recipe's type or the reference's, and the report.

    Raises:
        CompatibilityError: A weight is not finite, or the result does not fit the output type.
        ResourceError: Memory ran out.
        Cancelled: As raised by ``progress``.
    """
    begin = time.perf_counter()
    where = device or best_device()
    try:
        with torch.no_grad():  # not inference_mode: callers get ordinary tensors
            tensors = _tensors(plan, progress, where, masks or HashMasks(plan.recipe.seed, where))
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ResourceError(_no_memory(plan, where)) from error
    report = tuple(TensorReport(s.tensor, s.action, s.reason) for s in plan.steps)
    return Outcome(plan.recipe, tensors, report, time.perf_counter() - begin, where)


def _tensors(plan: Plan, progress: Progress, device: str, masks: Masks) -> Mapping[str, Tensor]:
    spec = plan.recipe.spec
    load = partial(_load_stack, plan, device=device)
    if spec.scope(plan.recipe.settings()) == "model":
        pieces = dict(_whole_model(plan, load, masks, progress))
        contexts = _surveyed(plan, pieces)
    else:
        contexts = None
    done: dict[str, Tensor] = {}
    for index, step in enumerate(plan.steps):
        progress(index / len(plan.steps), f"{step.action} {step.tensor}")
        if step.action == "copy":
            done[step.tensor] = plan.reference.load(step.tensor)
        elif step.action == "merge":
            piece = contexts[step.tensor] if contexts else _trimmed(plan, step, load, masks)
            merged = spec.merge(piece[1], piece[0])
            done[step.tensor] = _finish(plan, step, merged, device)
    progress(1.0, "merged")
    return done


def _load_stack(plan: Plan, step: Step, device: str) -> Tensor:
    """Return what the kernel works on: experts' weights or their deltas, stacked."""
    name = step.tensor
    models = [_read(expert, name, device) for expert in plan.experts]
    stack = torch.stack(models)
    if plan.recipe.spec.space == "deltas" and plan.base is not None:
        base = _read(plan.base, name, device)
        stack = stack.to(torch.promote_types(stack.dtype, base.dtype)).sub_(base)
    return stack


def _read(model: Checkpoint, name: str, device: str) -> Tensor:
    tensor = model.load(name).to(device)
    wide = tensor if tensor.dtype == torch.float64 else tensor.to(torch.float32)
    if not torch.isfinite(wide).all():
        raise CompatibilityError(
            f"{model.name} holds a number in {name!r} that is infinite or not a number. "
            "The file is damaged or its training diverged."
        )
    return wide


def _context(plan: Plan, step: Step, masks: Masks, magnitudes: Magnitudes) -> Context:
    ids = tuple(e.id for e in plan.recipe.experts)
    return Context(step.tensor, ids, plan.recipe.settings(), masks, magnitudes)


def _sparse(plan: Plan, step: Step, load: Callable[[Step], Tensor], masks: Masks) -> Piece:
    """Read one tensor and drop from it what the method drops."""
    stack = load(step)
    context = _context(plan, step, masks, MeasuredMagnitudes(stack))
    sparsify = plan.recipe.spec.sparsify
    if sparsify is None:
        return context, stack
    stack = sparsify(stack, context)
    return _context(plan, step, masks, MeasuredMagnitudes(stack)), stack


def _trimmed(plan: Plan, step: Step, load: Callable[[Step], Tensor], masks: Masks) -> Piece:
    """Read one tensor, drop and trim."""
    return _trim(plan, _sparse(plan, step, load, masks))


def _trim(plan: Plan, piece: Piece) -> Piece:
    context, sparse = piece
    trim = plan.recipe.spec.trim
    return context, trim(sparse, context) if trim else sparse


def _whole_model(
    plan: Plan, load: Callable[[Step], Tensor], masks: Masks, progress: Progress
) -> Iterator[tuple[str, Piece]]:
    for step in plan.merged():
        progress(0.0, f"read {step.tensor}")
        yield step.tensor, _sparse(plan, step, load, masks)


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


def _finish(plan: Plan, step: Step, merged: Tensor, device: str) -> Tensor:
    if plan.recipe.spec.space == "deltas" and plan.base is not None:
        merged = _read(plan.base, step.tensor, device) + merged
    name = plan.recipe.dtype
    dtype = getattr(torch, name) if name else step.info.dtype
    result = merged.to(dtype).cpu()
    if not torch.isfinite(result).all():
        raise CompatibilityError(
            f"The merged {step.tensor!r} does not fit {str(dtype).removeprefix('torch.')}. "
            "Lower λ, the weights or the drop rate, or choose dtype float32."
        )
    return result


def _no_memory(plan: Plan, device: str) -> str:
    size = sum(torch.Size(s.info.shape).numel() for s in plan.merged())
    return (
        f"Not enough memory on {device} for {len(plan.experts)} expert(s) of "
        f"{size / 1e6:.1f} M weights. Nothing was lost. Try fewer experts or a smaller set."
    )
