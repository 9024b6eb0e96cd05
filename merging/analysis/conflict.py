"""Sign conflict among the entries that survive, and what coin-toss signs would give there."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

FEWEST = 50


@dataclass(frozen=True, slots=True)
class ConflictCount:
    """Exact counts over a set of coordinates.

    Attributes:
        survivors: How many coordinates are kept by 0, 1, ..., n experts.
        contested: Coordinates where survivors of both signs meet.
    """

    survivors: tuple[int, ...]
    contested: int

    @property
    def total(self) -> int:
        """Number of coordinates."""
        return sum(self.survivors)

    @property
    def shared(self) -> int:
        """Coordinates kept by two or more experts: only there signs can conflict."""
        return sum(self.survivors[2:])

    @property
    def too_few(self) -> bool:
        """Fewer than 50 coordinates count: a share of them says nothing."""
        return self.shared < FEWEST

    @property
    def share(self) -> float | None:
        """Contested share of the coordinates kept by two or more; None where there are none."""
        return self.contested / self.shared if self.shared else None

    @property
    def share_of_all(self) -> float:
        """Contested share of all coordinates."""
        return self.contested / self.total if self.total else 0.0

    @property
    def chance(self) -> float | None:
        """Share to expect if every surviving sign were a coin toss.

        The mean of 1 - 2^(1 - m) over coordinates kept by m >= 2 experts, from the masks at hand.
        """
        if not self.shared:
            return None
        return self._expected() / self.shared

    @property
    def chance_of_all(self) -> float:
        """The same mean over all coordinates, 0 where m < 2."""
        return self._expected() / self.total if self.total else 0.0

    def _expected(self) -> float:
        return sum(count * (1 - 2.0 ** (1 - m)) for m, count in enumerate(self.survivors) if m >= 2)


def count_conflict(signs: Tensor) -> ConflictCount:
    """Count conflict over the surviving signs of one tensor.

    Args:
        signs: int8 in {-1, 0, +1}, shape (experts, elements); 0 where nothing survives.

    Returns:
        Exact counts.
    """
    experts = signs.shape[0]
    present = signs.abs().sum(0, dtype=torch.int8)
    histogram = torch.bincount(present, minlength=experts + 1)
    both = (signs.amax(0) > 0) & (signs.amin(0) < 0)
    return ConflictCount(tuple(histogram.tolist()), int(both.sum()))


def add_counts(counts: Iterable[ConflictCount]) -> ConflictCount:
    """Add the counts of several tensors."""
    parts = list(counts)
    survivors = tuple(sum(column) for column in zip(*(p.survivors for p in parts), strict=True))
    return ConflictCount(survivors, sum(p.contested for p in parts))
