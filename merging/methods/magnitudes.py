"""Order statistics of |delta| per expert, measured on the numbers at hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from merging.methods.selection import kth_smallest, larger


@dataclass(frozen=True, slots=True)
class MeasuredMagnitudes:
    """Order statistics over one stack of deltas.

    Attributes:
        deltas: Shape (experts, *shape).
    """

    deltas: Tensor

    @property
    def count(self) -> int:
        """Number of elements per expert."""
        return self.deltas[0].numel()

    def kth_smallest(self, expert: int, k: int) -> float:
        """Return the k-th smallest |delta| of an expert, k from 1 to ``count``."""
        return kth_smallest(self.deltas[expert], k)

    def spare(self, expert: int, threshold: float, kept: int) -> int:
        """Return how many entries of size ``threshold`` may stay; see ``Magnitudes``."""
        return kept - larger(self.deltas[expert], threshold)


@dataclass(frozen=True, slots=True)
class ModelMagnitudes:
    """Order statistics over all tensors of a model, gathered expert by expert when first asked.

    Attributes:
        gather: Returns all deltas of the expert at an index as one flat tensor.
        count: Number of elements per expert.
    """

    gather: Callable[[int], Tensor]
    count: int
    known: dict[tuple[int, int], float] = field(default_factory=dict)

    def kth_smallest(self, expert: int, k: int) -> float:
        """Return the k-th smallest |delta| of an expert, k from 1 to ``count``."""
        if (expert, k) not in self.known:
            self.known[expert, k] = kth_smallest(self.gather(expert), k)
        return self.known[expert, k]

    def spare(self, expert: int, threshold: float, kept: int) -> int:
        """Refuse: ties are counted within one tensor only."""
        raise ValueError("a trim over the model keeps all ties or none")


@dataclass(frozen=True, slots=True)
class SortedMagnitudes:
    """Order statistics looked up in sorted tables.

    Attributes:
        tables: One ascending 1-D tensor of |delta| per expert.
    """

    tables: Sequence[Tensor]

    @property
    def count(self) -> int:
        """Number of elements per expert."""
        return len(self.tables[0])

    def kth_smallest(self, expert: int, k: int) -> float:
        """Return the k-th smallest |delta| of an expert, k from 1 to ``count``."""
        return float(self.tables[expert][k - 1])

    def spare(self, expert: int, threshold: float, kept: int) -> int:
        """Return how many entries of size ``threshold`` may stay; see ``Magnitudes``."""
        table = self.tables[expert]
        place = torch.searchsorted(table, torch.tensor(threshold, dtype=table.dtype), right=True)
        return kept - (len(table) - int(place))
