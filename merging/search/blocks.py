"""Parts of a merged model on the layer x module grid, and the base's weights put back in them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from merging.checkpoints.buckets import bucket_of, row_order
from merging.engine import Outcome
from merging.errors import CompatibilityError

By = Literal["cell", "row", "module"]


@dataclass(frozen=True, slots=True)
class Block:
    """Part of a model: a cell of the layer x module grid, a whole row, or a whole module kind.

    Attributes:
        row, module: "" for all.
        tensors: Names of what is in it, sorted.
    """

    row: str
    module: str
    tensors: tuple[str, ...]

    @property
    def label(self) -> str:
        """Its name: "L2 q", "L2" or "q"."""
        return " ".join(word for word in (self.row, self.module) if word)


def blocks_of(outcome: Outcome, by: By = "cell") -> tuple[Block, ...]:
    """Return the blocks of a merged model that a merge may have changed, in the grid's order.

    Args:
        outcome: Of a merge.
        by: ``cell``: layer and module; ``row``: layer; ``module``: kind of module.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for name in sorted(r.tensor for r in outcome.report if r.action in ("merge", "tie")):
        cell = bucket_of(name)
        key = ("" if by == "module" else cell.row, "" if by == "row" else cell.module)
        found.setdefault(key, []).append(name)
    ordered = sorted(found, key=lambda key: (row_order(key[0]), key))
    return tuple(Block(*key, tuple(found[key])) for key in ordered)


def reverted(outcome: Outcome, base: Mapping[str, Tensor], tensors: tuple[str, ...]) -> Outcome:
    """Return a merge with the base's weights back in some tensors, also in each task's own model.

    Args:
        outcome: Of a merge.
        base: Weights of the base.
        tensors: Names of what is put back.

    Raises:
        CompatibilityError: The base has no such tensor, or it has another shape there.
    """
    for name in tensors:
        now = outcome.tensors.get(name)
        if now is None or name not in base or base[name].shape != now.shape:
            raise CompatibilityError(
                f"The base's {name!r} does not fit the merged model: the method changed its shape. "
                "It cannot be put back."
            )
    back = {n: base[n].to(outcome.tensors[n].dtype) for n in tensors}
    parts = outcome.per_task
    if parts is not None:
        shared = {n: t for n, t in parts.shared.items() if n not in back}
        parts = replace(parts, shared=shared)
    return replace(outcome, tensors={**outcome.tensors, **back}, per_task=parts)


def size_of_change(outcome: Outcome, base: Mapping[str, Tensor], block: Block) -> float:
    """Return the sum of squares of a block's change, infinite where it cannot be told."""
    if outcome.per_task is not None:
        return float("inf")
    total = 0.0
    for name in block.tensors:
        now, was = outcome.tensors.get(name), base.get(name)
        if now is None or was is None or now.shape != was.shape:
            return float("inf")
        total += float((now.to(torch.float64) - was.to(torch.float64)).square().sum())
    return total
