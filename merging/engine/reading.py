"""Tensors of a plan's models in computing type, for kernels and for methods on whole models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.engine.plan import Plan
from merging.errors import CompatibilityError, RecipeError
from merging.methods.context import Settings

Progress = Callable[[float, str], None]
Scorer = Callable[[Mapping[str, Tensor]], float]


def read(plan: Plan, model: Checkpoint, name: str, device: str) -> Tensor:
    """Return one tensor of a model as float32, or float64 where any model of the plan has that.

    Raises:
        CompatibilityError: It holds a number that is infinite or not a number.
    """
    wide = torch.float64 if name in plan.wide else torch.float32
    tensor = model.load(name).to(device, wide)
    if not torch.isfinite(tensor).all():
        raise CompatibilityError(
            f"{model.name} holds a number in {name!r} that is infinite or not a number. "
            "The file is damaged or its training diverged."
        )
    return tensor


def delta(plan: Plan, model: Checkpoint, name: str, device: str) -> Tensor:
    """Return a model's difference from the base; its weights where there is none."""
    weights = read(plan, model, name, device)
    return weights if plan.base is None else weights - read(plan, plan.base, name, device)


@dataclass(frozen=True, slots=True)
class PlannedModels:
    """The models of a plan as a method sees them that works on whole models.

    See ``merging.methods.context.Models`` for what each part means.
    """

    plan: Plan
    device: str
    progress: Progress
    scorer: Scorer | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors to merge, sorted."""
        return tuple(step.tensor for step in self.plan.merged())

    @property
    def experts(self) -> tuple[str, ...]:
        """Expert ids, in computing order."""
        return tuple(e.id for e in self.plan.recipe.experts)

    @property
    def settings(self) -> Settings:
        """Values of all parameters."""
        return self.plan.recipe.settings()

    @property
    def seed(self) -> int:
        """The recipe's seed."""
        return self.plan.recipe.seed

    @property
    def config(self) -> Mapping[str, object]:
        """What ``config.json`` says of the base or first expert."""
        return self.plan.reference.config()

    def base(self, name: str) -> Tensor:
        """Return a tensor of the base.

        Raises:
            RecipeError: There is none.
        """
        if self.plan.base is None:
            raise RecipeError(f"{self.plan.recipe.spec.label} needs a base model.")
        return read(self.plan, self.plan.base, name, self.device)

    def weights(self, expert: int, name: str) -> Tensor:
        """Return a tensor of one expert."""
        return read(self.plan, self.plan.experts[expert], name, self.device)

    def delta(self, expert: int, name: str) -> Tensor:
        """Return expert minus base."""
        return delta(self.plan, self.plan.experts[expert], name, self.device)

    def score(self, tensors: Mapping[str, Tensor]) -> float:
        """Return how good a model is on held-out data.

        Raises:
            RecipeError: No scorer was given.
        """
        if self.scorer is None:
            raise RecipeError(
                f"{self.plan.recipe.spec.label} needs held-out data to choose by. Use it in the "
                "page with a bundled set, or hand run() a scorer."
            )
        return self.scorer(tensors)

    def tell(self, fraction: float, message: str) -> None:
        """Report progress; it may raise ``Cancelled``."""
        self.progress(fraction, message)
