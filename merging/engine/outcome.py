"""What a merge leaves behind: the tensors, or where they are, and what was done to each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.engine.plan import Action
from merging.methods.context import PerTask
from merging.recipe import Recipe


@dataclass(frozen=True, slots=True)
class TensorReport:
    """What was done to one tensor: merged, copied, or left out, and why."""

    tensor: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a merge.

    Attributes:
        recipe: As it was merged.
        tensors: Merged weights in the output type; empty when they lie in ``folder``.
        report: One entry for every tensor of any model, sorted by name.
        seconds: Wall time of the merge.
        device: Where it was computed.
        folder: Where the written model lies, or None.
        per_task: One model per task beside the tensors, from methods that make one.
        config: Entries of the reference's config that the method changed; None takes one out.
    """

    recipe: Recipe
    tensors: Mapping[str, Tensor]
    report: tuple[TensorReport, ...]
    seconds: float
    device: str
    folder: Path | None = None
    per_task: PerTask | None = None
    config: Mapping[str, object] = field(default_factory=dict)

    def weights_of(self, expert: str, base: Checkpoint) -> dict[str, Tensor]:
        """Return the weights of the model for one expert's task, in the output type.

        Args:
            expert: Its id; without a model of its own the merged weights are returned.
            base: The model that was merged upon.
        """
        parts = self.per_task
        if parts is None or expert not in parts.masks:
            return dict(self.tensors)
        own = {}
        for name in parts.shared:
            delta = parts.delta(expert, name).cpu()
            own[name] = (base.load(name).to(delta.dtype) + delta).to(self.tensors[name].dtype)
        return {**self.tensors, **own}
