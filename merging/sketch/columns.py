"""The sampled deltas of some experts, arranged so that a slider's tick touches few, long arrays.

Parts of equal size lie beside each other and form a group: an array of (experts, parts, columns)
that needs no copy. Sizes, sign planes and hash bits, which no slider changes, are made once.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from merging.methods.masks import hash_at
from merging.sketch.model import Sketch
from merging.sketch.parts import Part
from merging.sketch.scratch import scratch

Floats = NDArray[np.float32]
Planes = NDArray[np.uint64]
Array = NDArray[Any]

THIN = 300_000
MOST_BYTES = 256 << 20
MOST_SEEDS = 2
WIDE_RUN, THIN_RUN = 1 << 20, 1 << 18


@dataclass(frozen=True, slots=True)
class Group:
    """Parts of equal size beside each other.

    Attributes:
        first: Index of the first part.
        parts: How many.
        start: First column.
        width: Columns of each part.
        whole: The parts hold every element.
    """

    first: int
    parts: int
    start: int
    width: int
    whole: bool

    def view(self, array: Array, begin: int = 0, end: int | None = None) -> Array:
        """Return some of the parts of an array of (experts, columns) as (experts, parts, width)."""
        last = self.parts if end is None else end
        columns = array[:, self.start + begin * self.width : self.start + last * self.width]
        return columns.reshape(len(array), last - begin, self.width)

    def runs(self, experts: int, deltas: int) -> list["Run"]:
        """Cut the group into runs of about as many deltas, at least one part each."""
        step = max(1, deltas // (experts * self.width))
        edges = [*range(0, self.parts, step), self.parts]
        return [Run(self, a, b) for a, b in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class Run:
    """Some parts of a group, from ``begin`` to before ``end``."""

    group: Group
    begin: int
    end: int

    @property
    def parts(self) -> slice:
        """Which parts of the sketch these are."""
        return slice(self.group.first + self.begin, self.group.first + self.end)

    @property
    def columns(self) -> slice:
        """Which columns of the sketch these are."""
        start, width = self.group.start, self.group.width
        return slice(start + self.begin * width, start + self.end * width)

    def view(self, array: Array) -> Array:
        """Return this run of an array of (experts, columns) as (experts, parts, width)."""
        return self.group.view(array, self.begin, self.end)


class Columns:
    """Deltas of the experts at some rows of a sketch, with what is known before any slider moves.

    Attributes:
        sketch: The sketch.
        rows: Rows of the experts, in their order here.
        deltas: Shape (experts, columns), float32.
        groups: Parts of equal size.
        guess: Which sign tied votes took last; only saves work when it is right.
    """

    def __init__(self, sketch: Sketch, rows: tuple[int, ...]) -> None:
        """Pick rows; nothing is copied where they are all, in order."""
        every = rows == tuple(range(len(sketch.experts)))
        self.sketch, self.rows = sketch, rows
        self.deltas: Floats = (sketch.deltas if every else sketch.deltas[list(rows)]).numpy()
        self.base: Floats = sketch.base.numpy()
        self.groups = _groups(sketch.parts)
        self.guess = 1.0

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the sketch."""
        return self.sketch.parts

    def sizes_of(self, run: Run) -> Floats:
        """Return |delta| of a run, shape (experts, parts, width).

        Of thin columns they are made anew: that is faster than fetching them from memory, and
        they stay only until the thread asks again.
        """
        if not self.sketch.thin:
            return run.view(self.sizes)
        deltas = run.view(self.deltas)
        found: Floats = np.abs(deltas, out=scratch("sizes", deltas.shape))
        return found

    @cached_property
    def sampled(self) -> NDArray[np.float64]:
        """Columns of every part, shape (parts,)."""
        return np.array([part.sampled for part in self.parts], np.float64)

    @cached_property
    def sizes(self) -> Floats:
        """|delta|, shape (experts, columns)."""
        found: Floats = np.abs(self.deltas)
        return found

    @cached_property
    def signs(self) -> list[tuple[Planes, Planes]]:
        """Of every group which deltas are positive and which negative, as planes."""
        return [
            (pack(group.view(self.deltas) > 0), pack(group.view(self.deltas) < 0))
            for group in self.groups
        ]

    @cached_property
    def changes(self) -> NDArray[np.float64]:
        """How many sampled deltas are not zero, shape (parts, experts)."""
        found = [np.bitwise_count(up | down).sum(-1, dtype=np.float64).T for up, down in self.signs]
        return np.concatenate(found)

    @cached_property
    def squares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sums of the second and fourth powers of all deltas, each (parts, experts)."""
        second = [_sums(group.view(self.deltas) ** 2) for group in self.groups]
        fourth = [_sums(group.view(self.deltas) ** 4) for group in self.groups]
        return np.concatenate(second), np.concatenate(fourth)

    @cached_property
    def ordered(self) -> dict[int, Floats]:
        """Sizes of the groups of whole parts, each part's ascending, by index of the group."""
        return {
            i: np.sort(group.view(self.sizes), axis=-1)
            for i, group in enumerate(self.groups)
            if group.whole
        }

    def bits(self, seed: int) -> NDArray[np.int32]:
        """Return the hash bits of every column, shape (experts, columns), kept for a few seeds."""
        ids = [self.sketch.experts[row] for row in self.rows]

        def make() -> NDArray[np.int32]:
            return np.stack([self._hashed(seed, name) for name in ids])

        found: NDArray[np.int32] = self.sketch.memo.get(("bits", seed, *ids), make, MOST_SEEDS)
        return found

    def _hashed(self, seed: int, expert: str) -> NDArray[np.int32]:
        index = self.sketch.index
        found = [hash_at(seed, p.tensor, expert, index[p.start : p.stop]) for p in self.parts]
        hashed: NDArray[np.int32] = torch.cat(found).numpy()
        return hashed


def columns_of(sketch: Sketch, rows: tuple[int, ...]) -> Columns:
    """Return the columns of some experts; those of the latest choices are kept."""
    size = 2 * len(sketch.experts) * sketch.deltas.shape[1] * sketch.deltas.element_size()
    most = max(2, MOST_BYTES // size)
    found: Columns = sketch.memo.get(("columns", rows), lambda: Columns(sketch, rows), most)
    return found


def thin_of(sketch: Sketch) -> Sketch:
    """Return the sketch for sums of values: of what is not whole, every few coordinates.

    Counting signs costs little and goes over all columns. Merging values costs ten times as much,
    and some 300,000 columns tell norms, and shares of them, well enough.
    """
    step = step_of(sketch)
    if step == 1:
        return sketch
    found: Sketch = sketch.memo.get(("thin",), lambda: sketch.thinned(step), 1)
    return found


def step_of(sketch: Sketch) -> int:
    """Return of how many sampled coordinates one counts where values are summed."""
    sampled = sum(part.sampled for part in sketch.parts if not part.whole)
    return max(1, round(sampled / THIN))


def pack(marks: NDArray[np.bool_]) -> Planes:
    """Pack marks into words of 64, padded with zeros: (..., width) to (..., words)."""
    packed = np.packbits(marks, axis=-1)
    words = -(-packed.shape[-1] // 8)
    if packed.shape[-1] != words * 8:
        wide = np.zeros((*packed.shape[:-1], words * 8), np.uint8)
        wide[..., : packed.shape[-1]] = packed
        packed = wide
    return packed.view(np.uint64)


def _groups(parts: tuple[Part, ...]) -> tuple[Group, ...]:
    groups, first = [], 0
    for (width, whole), run in groupby(parts, key=lambda p: (p.sampled, p.whole)):
        members = list(run)
        groups.append(Group(first, len(members), members[0].start, width, whole))
        first += len(members)
    return tuple(groups)


def _sums(values: Array) -> NDArray[np.float64]:
    """Sum over columns: (experts, parts, width) to (parts, experts)."""
    found: NDArray[np.float64] = values.sum(-1, dtype=np.float64).T
    return found
