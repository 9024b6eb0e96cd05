"""What a case gives and what is to be done with it, as frozen values."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from merging.engine import Outcome
from merging.errors import RecipeError
from merging.methods.context import Data
from merging.methods.params import Value

State = dict[str, Tensor]
Params = dict[str, Any]
Found = dict[str, Tensor]
Finish = Callable[[Outcome, "Task"], Found]


@dataclass(frozen=True, slots=True)
class Given:
    """Statistics by kind, model and tensor."""

    values: Mapping[tuple[str, str, str], Tensor]

    def get(self, kind: Data, expert: str, tensor: str) -> Tensor | None:
        """Return a statistic, or None."""
        return self.values.get((kind, expert, tensor))


def merged_weights(outcome: Outcome, task: "Task") -> Found:
    """Return the merged weights as a case stores them."""
    return {f"out/{name}": tensor for name, tensor in outcome.tensors.items()}


@dataclass(frozen=True, slots=True)
class Task:
    """A case as a recipe on models.

    Attributes:
        models: Experts by name, in weight order.
        base: The base, or None.
        stored: What the case's outputs file holds; some of it is input.
        files: Every model of the input files: statistics and models that options name too.
        method, dialect, common, each, weights: The recipe; ``each`` per-expert values by name.
        statistics: For methods that need data.
        scorer: For methods that choose.
        finish: Turns the outcome into what is compared.
        masked: Whether stored keep masks replace our own.
    """

    models: Mapping[str, State]
    base: State | None
    stored: Mapping[str, Tensor]
    files: Mapping[str, State] = field(default_factory=dict)
    method: str = ""
    dialect: str = "paper"
    common: Mapping[str, Value] = field(default_factory=dict)
    each: Mapping[str, list[float]] = field(default_factory=dict)
    weights: tuple[float, ...] | None = None
    statistics: Given | None = None
    scorer: Callable[[Mapping[str, Tensor]], float] | None = None
    finish: Finish = merged_weights

    def part(self, prefix: str) -> State:
        """Return the stored tensors under a prefix, without it."""
        return {k[len(prefix) :]: v for k, v in self.stored.items() if k.startswith(prefix)}


def in_order(names: Iterable[str]) -> list[str]:
    """Return names sorted with their numbers read as numbers: expert9 before expert10."""
    return sorted(
        names, key=lambda name: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)]
    )


def no_more(params: Params, described: tuple[str, ...] = ()) -> None:
    """Refuse options that no reader knows: passing them over would compare something else.

    Args:
        params: What is left of a case's options.
        described: Names that only describe what the method does anyway.

    Raises:
        RecipeError: Others are left.
    """
    left = sorted(set(params) - set(described))
    if left:
        raise RecipeError(f"Options {', '.join(left)} are not supported.")
