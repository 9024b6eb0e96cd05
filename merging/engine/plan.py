"""Recipe and checkpoints to a plan: what will be done to every tensor, or why it cannot be."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from merging.checkpoints.base import Checkpoint, TensorInfo
from merging.errors import CompatibilityError, RecipeError
from merging.recipe import Recipe

Action = Literal["merge", "copy", "leave_out"]

# Tensors of task heads: they may differ between experts and are never merged then.
HEAD = re.compile(r"^(classifier|score|head|fc|lm_head|qa_outputs)\b")


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one tensor.

    Attributes:
        tensor: Its name.
        info: Its shape and type in the reference model.
        action: merge, copy (from the reference) or leave_out.
        reason: In words.
    """

    tensor: str
    info: TensorInfo
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe with its models, checked against each other.

    Attributes:
        recipe: With experts in computing order.
        base: The shared starting point, or None where the method needs none.
        experts: In the order of the recipe.
        steps: One for every tensor of any model, sorted by name.
    """

    recipe: Recipe
    base: Checkpoint | None
    experts: tuple[Checkpoint, ...]
    steps: tuple[Step, ...]

    @property
    def reference(self) -> Checkpoint:
        """The model that decides names, shapes and the output type: base or first expert."""
        return self.base or self.experts[0]

    def merged(self) -> tuple[Step, ...]:
        """Return the steps that merge."""
        return tuple(s for s in self.steps if s.action == "merge")


def make_plan(recipe: Recipe, base: Checkpoint | None, models: Mapping[str, Checkpoint]) -> Plan:
    """Check models against each other and decide what happens to every tensor.

    Args:
        recipe: What to merge.
        base: The shared starting point; may be None for methods that need none.
        models: A checkpoint for every expert id of the recipe.

    Raises:
        RecipeError: The method needs a base and there is none.
        CompatibilityError: A tensor is missing, has another shape or kind, or is an integer that
            differs between models. The message names model and tensor.
    """
    recipe = recipe.ordered()
    if recipe.spec.needs_base(recipe.settings()) and base is None:
        raise RecipeError(f"{recipe.spec.label} needs a base model. Name a set or a base.")
    experts = tuple(models[e.id] for e in recipe.experts)
    reference = base or experts[0]
    infos = reference.tensors()
    steps = [_step(name, info, reference, experts) for name, info in infos.items()]
    for expert in experts:
        steps.extend(_extra(expert, name, infos) for name in expert.tensors() if name not in infos)
    unique = {step.tensor: step for step in reversed(steps)}
    if not any(step.action == "merge" for step in unique.values()):
        raise CompatibilityError(
            f"{reference.name} and the experts share no tensor to merge. "
            "Are they of the same architecture?"
        )
    return Plan(recipe, base, experts, tuple(unique[n] for n in sorted(unique)))


def _step(
    name: str, info: TensorInfo, reference: Checkpoint, experts: tuple[Checkpoint, ...]
) -> Step:
    for expert in experts:
        other = expert.tensors().get(name)
        problem = _mismatch(name, info, other, reference.name, expert.name)
        if problem and HEAD.match(name):
            reason = f"a task head that differs in {expert.name}; {reference.name}'s is kept"
            return Step(name, info, "copy", reason)
        if problem:
            raise CompatibilityError(problem)
    if not info.dtype.is_floating_point:
        return _copy_integer(name, info, reference, experts)
    return Step(name, info, "merge", f"over {len(experts)} expert(s)")


def _mismatch(
    name: str, info: TensorInfo, other: TensorInfo | None, reference: str, expert: str
) -> str:
    if other is None:
        return (
            f"{expert} has no tensor {name!r}, which {reference} has. "
            f"{expert} was not made from {reference}."
        )
    if other.shape != info.shape:
        return (
            f"{name!r} is {_size(info)} in {reference} and {_size(other)} in {expert}. "
            f"{expert} was not made from {reference}."
        )
    if other.dtype.is_floating_point != info.dtype.is_floating_point:
        return (
            f"{name!r} is {_kind(info.dtype)} in {reference} and {_kind(other.dtype)} in {expert}. "
            "Convert one of them."
        )
    return ""


def _copy_integer(
    name: str, info: TensorInfo, reference: Checkpoint, experts: tuple[Checkpoint, ...]
) -> Step:
    value = reference.load(name)
    for expert in experts:
        if not torch.equal(value, expert.load(name)):
            raise CompatibilityError(
                f"{name!r} holds {_kind(info.dtype)} and differs between {reference.name} and "
                f"{expert.name}. Such tensors are never averaged: make them equal first."
            )
    return Step(name, info, "copy", f"{_kind(info.dtype)}, equal in all models")


def _extra(expert: Checkpoint, name: str, infos: Mapping[str, TensorInfo]) -> Step:
    if not HEAD.match(name):
        raise CompatibilityError(
            f"{expert.name} has a tensor {name!r} that the others lack. "
            "It was not made from the same base."
        )
    reason = f"a task head of {expert.name}; heads are not merged"
    return Step(name, expert.tensors()[name], "leave_out", reason)


def _size(info: TensorInfo) -> str:
    return "x".join(map(str, info.shape)) or "a single number"


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
