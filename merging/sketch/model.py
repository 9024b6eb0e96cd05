"""The sketch of a set of models: what previews and diagnoses need, and nothing that grows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.checkpoints.buckets import Bucket
from merging.errors import unknown
from merging.sketch.memo import Memo
from merging.sketch.parts import Part
from merging.sketch.quantiles import QuantileTable, exact_table


@dataclass(frozen=True, eq=False)
class Sketch:
    """A sample of all experts' deltas with exact sums and quantile tables; never changed.

    Columns are the sampled coordinates of all tensors one after another, as ``parts`` says.

    Attributes:
        identity: Hash of counts and of some weights of every tensor; tells other weights apart.
        seed: Which coordinates were drawn.
        quick: Large tensors were read in part: their sums are estimates.
        experts: Expert ids, ascending.
        parts: What is held of each tensor, in the order of the columns.
        index: Flat index of every column in its tensor, shape (columns,), int64.
        base: The base's weights, shape (columns,), float32.
        deltas: Of every expert, shape (experts, columns), float32.
        nonzero: Entries that changed, shape (tensors, experts), float64.
        l1: Sum of |delta|, shape (tensors, experts), float64.
        dots: Pairwise dot products, shape (tensors, experts, experts), float64.
        levels: Quantile tables of the tensors that are not whole, in order of ``parts``, shape
            (tensors, experts, 3, points), float32: values, share at least, share above.
        model_levels: The same over the whole model, shape (experts, 3, points).
        memo: What its previews work out once.
    """

    identity: str
    seed: int
    quick: bool
    experts: tuple[str, ...]
    parts: tuple[Part, ...]
    index: Tensor
    base: Tensor
    deltas: Tensor
    nonzero: Tensor
    l1: Tensor
    dots: Tensor
    levels: Tensor
    model_levels: Tensor
    memo: Memo = field(default_factory=Memo, repr=False)

    def rows(self, ids: Iterable[str]) -> tuple[int, ...]:
        """Return the rows of experts.

        Raises:
            UnknownNameError: One is not in the set.
        """
        found = []
        for name in ids:
            if name not in self.experts:
                raise unknown("expert", name, self.experts)
            found.append(self.experts.index(name))
        return tuple(found)

    @cached_property
    def count(self) -> int:
        """Number of weights of a model."""
        return sum(part.count for part in self.parts)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all tensors, ascending."""
        return tuple(sorted(part.tensor for part in self.parts))

    @cached_property
    def whole(self) -> bool:
        """Every weight is held: all figures are exact."""
        return all(part.whole for part in self.parts)

    @cached_property
    def buckets(self) -> tuple[Bucket, ...]:
        """All buckets, ascending."""
        return tuple(sorted({part.bucket for part in self.parts}))

    @cached_property
    def place(self) -> dict[Bucket, int]:
        """Index of each bucket in ``buckets``."""
        return {bucket: i for i, bucket in enumerate(self.buckets)}

    @cached_property
    def strata(self) -> NDArray[np.int64]:
        """Index into ``buckets`` of every part, shape (tensors,)."""
        return np.array([self.place[part.bucket] for part in self.parts], np.int64)

    @cached_property
    def population(self) -> NDArray[np.float64]:
        """Weights in each bucket, shape (buckets,)."""
        counts = np.array([part.count for part in self.parts], np.float64)
        found: NDArray[np.float64] = np.bincount(self.strata, counts, len(self.buckets)).astype(
            np.float64
        )
        return found

    def by_bucket(self, of: NDArray[Any]) -> NDArray[Any]:
        """Add parts up: shape (tensors, *more) to (buckets, *more)."""
        found = np.zeros((len(self.buckets), *of.shape[1:]), of.dtype)
        np.add.at(found, self.strata, of)
        return found

    def parts_of(self, bucket: Bucket) -> tuple[int, ...]:
        """Return the indices of the parts of a bucket.

        Raises:
            KeyError: There is no such bucket.
        """
        return tuple(np.flatnonzero(self.strata == self.place[bucket]).tolist())

    def norms(self) -> Tensor:
        """Return the length of each expert's whole task vector, shape (experts,), float64."""
        return self.dots.sum(0).diagonal().clamp_min(0).sqrt()

    def cosines(self) -> Tensor:
        """Return cosines between whole task vectors, shape (experts, experts), float64."""
        norms = self.norms().clamp_min(torch.finfo(torch.float64).tiny ** 0.5)
        return self.dots.sum(0) / norms.outer(norms)

    def sizes(self, expert: str, shares: Iterable[float]) -> list[float]:
        """Return the sizes of an expert's changes at which shares of its weights are kept.

        Args:
            expert: Its id.
            shares: Each in [0, 1].

        Raises:
            UnknownNameError: The expert is not in the set.
        """
        (row,) = self.rows([expert])
        if not self.whole:
            asked = tuple(shares)
            found: list[float] = self.memo.get(
                ("sizes", row, asked),
                lambda: [*map(self.model_table(row).size, asked)],
                len(self.experts),
            )
            return found
        ordered = self.ordered(row)
        ranks = (1 - np.array(list(shares))) * (len(ordered) - 1)
        return [float(size) for size in ordered[ranks.round().astype(np.int64)]]

    def ordered(self, row: int) -> NDArray[np.float32]:
        """Return |delta| at all columns of an expert's row, ascending; made when first asked."""
        found: NDArray[np.float32] = self.memo.get(
            ("ordered", row), lambda: np.sort(np.abs(self.deltas[row].numpy())), len(self.experts)
        )
        return found

    def model_table(self, row: int) -> QuantileTable:
        """Return the quantile table of an expert's row over the whole model."""
        return QuantileTable(*self.model_levels[row].numpy())

    @cached_property
    def _rank(self) -> dict[str, int]:
        sampled = [part.tensor for part in self.parts if not part.whole]
        return {tensor: i for i, tensor in enumerate(sampled)}

    def table(self, part: Part, row: int) -> QuantileTable:
        """Return the quantile table of one tensor and expert's row."""
        if part.whole:
            delta = self.deltas[row, part.start : part.stop].numpy()
            return exact_table(np.sort(np.abs(delta)))
        return QuantileTable(*self.levels[self._rank[part.tensor], row].numpy())
