"""The deltas of one set in memory, with what makes previews fast: signs, sorted sizes, bits."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from threading import Lock

import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.checkpoints.buckets import Bucket, bucket_of
from merging.errors import unknown
from merging.methods.masks import hash_bits, kept

MOST_SEEDS = 2


@dataclass(frozen=True, slots=True)
class Span:
    """A run of columns of the tables: one tensor, or all tensors of one bucket.

    Attributes:
        name: Of the tensor, or of the bucket.
        bucket: Layer and module.
        start, stop: First column and the one after the last.
        shape: Of the tensor; a bucket has one axis.
    """

    name: str
    bucket: Bucket
    start: int
    stop: int
    shape: tuple[int, ...]


class DeltaTables:
    """Deltas of all experts of a set, read-only after construction and safe to share.

    Columns are the weights of all float tensors one after another, sorted by bucket and name, so
    that a bucket is a run of columns too.

    Attributes:
        experts: Expert ids, in order of id.
        tensors: One span per float tensor.
        buckets: One span per bucket.
        count: Number of weights per expert.
    """

    def __init__(self, base: Checkpoint, experts: Mapping[str, Checkpoint]) -> None:
        """Read a base and its experts, as float32.

        Args:
            base: The shared starting point.
            experts: By id; tensors as in ``base``.
        """
        self.experts = tuple(sorted(experts))
        infos = base.tensors()
        floats = [n for n, i in infos.items() if i.dtype.is_floating_point]
        names = sorted(floats, key=lambda n: (bucket_of(n), n))
        self._base = _flat(base, names)
        self.tensors = _spans({n: tuple(infos[n].shape) for n in names})
        self.buckets = _merged(self.tensors)
        self.count = len(self._base)
        self._deltas = torch.stack([_flat(experts[e], names) for e in self.experts]) - self._base
        self._signs = self._deltas.sign().to(torch.int8)
        self._norms = self._deltas.double().square().sum(1).sqrt()
        self._changes = self._signs.abs().sum(1, dtype=torch.int64)
        self._lock = Lock()
        self._model_order: list[Tensor] = []
        self._tensor_order: dict[str, Tensor] = {}
        self._bits: OrderedDict[tuple[int, str], Tensor] = OrderedDict()

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

    def base(self, span: Span) -> Tensor:
        """Return the base's weights of a span, shape (elements,)."""
        return self._base[span.start : span.stop]

    def deltas(self, span: Span, rows: tuple[int, ...]) -> Tensor:
        """Return deltas of a span, shape (experts, elements), float32."""
        return self._pick(self._deltas, span, rows)

    def signs(self, span: Span, rows: tuple[int, ...]) -> Tensor:
        """Return signs of the deltas, shape (experts, elements), int8."""
        return self._pick(self._signs, span, rows)

    def changes(self, rows: tuple[int, ...]) -> Tensor:
        """Return how many entries of the model are not zero, shape (experts,), int64."""
        return self._changes[list(rows)]

    def norms(self, rows: tuple[int, ...]) -> Tensor:
        """Return lengths of whole task vectors, shape (experts,), float64."""
        return self._norms[list(rows)]

    def sorted_model(self, rows: tuple[int, ...]) -> list[Tensor]:
        """Return ascending |delta| over the whole model, one table per expert."""
        with self._lock:
            if not self._model_order:
                self._model_order = [row.abs().sort().values for row in self._deltas]
        return [self._model_order[row] for row in rows]

    def sorted_tensor(self, span: Span, rows: tuple[int, ...]) -> list[Tensor]:
        """Return ascending |delta| of one tensor, one table per expert."""
        with self._lock:
            if span.name not in self._tensor_order:
                part = self._deltas[:, span.start : span.stop]
                self._tensor_order[span.name] = part.abs().sort(dim=1).values
        return [self._tensor_order[span.name][row] for row in rows]

    def masks(self, seed: int) -> "ColumnMasks":
        """Return the masks of a seed: the merge's, with the hash kept between ticks."""
        return ColumnMasks(lambda expert: self._hash_bits(seed, expert))

    def _hash_bits(self, seed: int, expert: str) -> Tensor:
        key = (seed, expert)
        with self._lock:
            if key in self._bits:
                self._bits.move_to_end(key)
                return self._bits[key]
        bits = torch.cat(
            [hash_bits(seed, s.name, expert, 0, s.stop - s.start) for s in self.tensors]
        )
        with self._lock:
            self._bits[key] = bits
            while len(self._bits) > MOST_SEEDS * len(self.experts):
                self._bits.popitem(last=False)
        return bits

    def _pick(self, table: Tensor, span: Span, rows: tuple[int, ...]) -> Tensor:
        part = table[:, span.start : span.stop]
        return part if rows == tuple(range(len(self.experts))) else part[list(rows)]


def _flat(model: Checkpoint, names: list[str]) -> Tensor:
    return torch.cat([model.load(n).float().flatten() for n in names])


def _spans(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Span, ...]:
    spans, start = [], 0
    for name, shape in shapes.items():
        stop = start + torch.Size(shape).numel()
        spans.append(Span(name, bucket_of(name), start, stop, shape))
        start = stop
    return tuple(spans)


def _merged(tensors: tuple[Span, ...]) -> tuple[Span, ...]:
    runs = [list(run) for _, run in groupby(tensors, key=lambda span: span.bucket)]
    spans = []
    for run in runs:
        bucket, start, stop = run[0].bucket, run[0].start, run[-1].stop
        spans.append(Span(f"{bucket.row} {bucket.module}", bucket, start, stop, (stop - start,)))
    return tuple(spans)


@dataclass(frozen=True, slots=True)
class ColumnMasks:
    """Keep masks by column of the tables, whose hash bits are remembered.

    Attributes:
        bits: Returns the bits of an expert's columns.
    """

    bits: Callable[[str], Tensor]

    def keep(
        self, tensor: str, expert: str, start: int, count: int, drop_rate: float | Tensor
    ) -> Tensor:
        """Return the mask of a run of columns; ``start`` alone says which, not ``tensor``."""
        if not isinstance(drop_rate, Tensor) and drop_rate <= 0:
            return torch.ones(count, dtype=torch.bool)
        return kept(self.bits(expert)[start : start + count], drop_rate)
