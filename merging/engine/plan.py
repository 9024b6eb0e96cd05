"""Recipe and checkpoints to a plan: what will be done to every tensor, or why it cannot be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from merging.checkpoints.align import align, check_positions
from merging.checkpoints.aligned import AlignedCheckpoint
from merging.checkpoints.base import Checkpoint, TensorInfo
from merging.engine.fit import HEAD, STATISTICS, copy_reason, mismatch
from merging.engine.local import settings_by_tensor
from merging.engine.tied import tied_names, tied_to
from merging.errors import CompatibilityError, RecipeError
from merging.methods.context import Settings
from merging.recipe import Recipe
from merging.recipe.tokens import POSITION

Action = Literal["merge", "copy", "tie", "leave_out"]


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one tensor.

    Attributes:
        tensor: Its name.
        info: Its shape and type in the reference model.
        action: merge, copy (from the reference), tie (take the result of another tensor) or
            leave_out.
        reason: In words.
        source: For tie: the other tensor.
    """

    tensor: str
    info: TensorInfo
    action: Action
    reason: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe with its models, checked against each other.

    Attributes:
        recipe: With experts in computing order.
        base: The shared starting point, or None where the method needs none.
        experts: In the order of the recipe.
        steps: One for every tensor of any model, sorted by name.
        wide: Names of tensors that some model stores as float64; they are computed so.
        local: Settings of every merged tensor, where the recipe has local values; else empty.
    """

    recipe: Recipe
    base: Checkpoint | None
    experts: tuple[Checkpoint, ...]
    steps: tuple[Step, ...]
    wide: frozenset[str] = frozenset()
    local: Mapping[str, Settings] = field(default_factory=dict)

    @property
    def reference(self) -> Checkpoint:
        """The model that decides names, shapes and the output type: base or first expert."""
        return self.base or self.experts[0]

    def merged(self) -> tuple[Step, ...]:
        """Return the steps that merge."""
        return tuple(s for s in self.steps if s.action == "merge")

    def settings(self, tensor: str) -> Settings:
        """Return the value of every parameter at a tensor that is merged."""
        return self.local[tensor] if self.local else self.recipe.settings()


def make_plan(recipe: Recipe, base: Checkpoint | None, models: Mapping[str, Checkpoint]) -> Plan:
    """Check models against each other and decide what happens to every tensor.

    Args:
        recipe: What to merge.
        base: The shared starting point; may be None for methods that need none.
        models: A checkpoint for every expert id of the recipe.

    Raises:
        RecipeError: The method needs a base and there is none, or the recipe has local values that
            it cannot follow.
        SourceError: The recipe aligns vocabularies, and a tokenizer is missing or damaged.
        CompatibilityError: A tensor is missing, has another shape or kind, or is an integer that
            differs between models; the message names model and tensor. Or rows of embeddings that
            have one number are of different tokens, and the recipe does not say ``tokenizer``.
    """
    recipe = recipe.ordered()
    if recipe.spec.needs_base(recipe.settings()) and base is None:
        raise RecipeError(f"{recipe.spec.label} needs a base model. Name a set or a base.")
    chosen = {e.id: models[e.id] for e in recipe.experts}
    if recipe.tokenizer is None:
        check_positions([m for m in (base, *chosen.values()) if m is not None])
    elif recipe.tokenizer != POSITION:
        pad, given = recipe.pad_to_multiple_of, recipe.tokens
        base, chosen = align(recipe.tokenizer, base, chosen, pad_to_multiple_of=pad, given=given)
    experts = tuple(chosen.values())
    reference = base or experts[0]
    infos = reference.tensors()
    steps = list(_steps(reference, experts))
    for expert in experts:
        steps.extend(_extra(expert, name, infos) for name in expert.tensors() if name not in infos)
    unique = {step.tensor: step for step in reversed(steps)}
    if not any(step.action == "merge" for step in unique.values()):
        raise CompatibilityError(
            f"{reference.name} and the experts share no tensor to merge. "
            "Are they of the same architecture?"
        )
    ordered = tuple(_with_rows(unique[n], (reference, *experts)) for n in sorted(unique))
    merged = [step.tensor for step in ordered if step.action == "merge"]
    local = settings_by_tensor(recipe, infos, merged)
    return Plan(recipe, base, experts, ordered, _wide(reference, experts), local)


def _with_rows(step: Step, models: tuple[Checkpoint, ...]) -> Step:
    """Say in the reason of a step whose rows were aligned where they come from."""
    views = [m for m in models if isinstance(m, AlignedCheckpoint) and step.tensor in m.aligned]
    told = dict.fromkeys(view.sentence() for view in views)
    return replace(step, reason="; ".join([step.reason, *told])) if told else step


def _steps(reference: Checkpoint, experts: tuple[Checkpoint, ...]) -> Iterator[Step]:
    infos = reference.tensors()
    theirs = [(expert.name, expert.tensors()) for expert in experts]
    floating = {n for n, i in infos.items() if i.dtype.is_floating_point}
    tied = tied_names(reference, experts, {n for n in floating if not STATISTICS.search(n)})
    for name, info in infos.items():
        if name in tied:
            reason = f"tied to {tied[name]}: the same values in all models, counted once"
            yield Step(name, info, "tie", reason, tied[name])
            continue
        for expert, known in theirs:
            problem = mismatch(name, info, known.get(name), reference.name, expert)
            if problem and not HEAD.match(name):
                raise CompatibilityError(problem)
            if problem:
                reason = f"a task head that differs in {expert}; {reference.name}'s is kept"
                yield Step(name, info, "copy", reason)
                break
        else:
            yield _fitting(name, info, reference, experts)


def _fitting(
    name: str, info: TensorInfo, reference: Checkpoint, experts: tuple[Checkpoint, ...]
) -> Step:
    reason = copy_reason(name, info, reference, experts)
    if reason:
        return Step(name, info, "copy", reason)
    reason = f"over {len(experts)} expert(s)"
    if HEAD.match(name):
        reason += "; a task head: right only where its labels mean the same in all models"
    return Step(name, info, "merge", reason)


def _wide(reference: Checkpoint, experts: tuple[Checkpoint, ...]) -> frozenset[str]:
    return frozenset(
        name
        for model in (reference, *experts)
        for name, info in model.tensors().items()
        if info.dtype == torch.float64
    )


def _extra(expert: Checkpoint, name: str, infos: Mapping[str, TensorInfo]) -> Step:
    info = expert.tensors()[name]
    first = tied_to(expert, name, infos)
    if first is not None:
        return Step(name, info, "leave_out", f"tied to {first} in {expert.name}")
    if not HEAD.match(name):
        raise CompatibilityError(
            f"{expert.name} has a tensor {name!r} that the others lack. "
            "It was not made from the same base."
        )
    reason = f"a task head of {expert.name}; heads are not merged, it stays with {expert.name}"
    return Step(name, info, "leave_out", reason)
