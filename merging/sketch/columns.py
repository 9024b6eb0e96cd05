"""The sampled deltas of some experts, and what is known of them before any slider moves."""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from merging.methods.masks import hash_at
from merging.sketch.model import Sketch
from merging.sketch.parts import Part
from merging.sketch.tables import Counts, Floats, Held, Sums, Table, Words

MOST_BYTES = 256 << 20
MOST_SEEDS = 2
NO_BITS: Words = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Group:
    """Whole parts of equal size beside each other.

    Attributes:
        first: Index of the first part.
        parts: How many.
        start: First column.
        width: Columns of each part.
    """

    first: int
    parts: int
    start: int
    width: int

    def view(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the parts of an array of (experts, columns) as (experts, parts, width)."""
        columns = array[:, self.start : self.start + self.parts * self.width]
        return columns.reshape(len(array), self.parts, self.width)


@dataclass(frozen=True, slots=True)
class Guess:
    """What tied votes may be settled as.

    Attributes:
        signs: By part, shape (parts,).
        key: Of the recipe for which they are right; "" where of none.
    """

    signs: Floats
    key: str = ""


class Columns:
    """Deltas of the experts at some rows of a sketch.

    Attributes:
        sketch: The sketch.
        rows: Rows of the experts, in their order here.
        deltas: Shape (experts, columns), float32.
        base: The base's weights, shape (columns,), float32.
        guess: What settled the tied votes of the recipe before; saves work where it is right.
    """

    def __init__(self, sketch: Sketch, rows: tuple[int, ...]) -> None:
        """Pick rows; nothing is copied where they are all, in order."""
        every = rows == tuple(range(len(sketch.experts)))
        deltas = sketch.deltas if every else sketch.deltas[list(rows)]
        self.sketch, self.rows = sketch, rows
        self.deltas: Floats = deltas.contiguous().numpy()
        self.base: Floats = sketch.base.numpy()
        self.guess = Guess(np.ones(len(sketch.parts), np.float32))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the sketch."""
        return self.sketch.parts

    @cached_property
    def held(self) -> Held:
        """What loops ask for, without hash bits."""
        flat = self.deltas.reshape(-1)
        edges = np.array([(part.start, part.stop) for part in self.parts], np.int64)
        starts, stops = (np.ascontiguousarray(edge) for edge in edges.T)
        return Held(flat, flat.view(np.int32), NO_BITS, starts, stops)

    def hashed(self, seed: int) -> Held:
        """Return the same with the hash bits of a seed."""
        return self.held._replace(bits=self.bits(seed).reshape(-1))

    @cached_property
    def sampled(self) -> Counts:
        """Columns of every part, shape (parts,)."""
        return self.held.stops - self.held.starts

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The whole parts."""
        groups, first = [], 0
        for (width, whole), run in groupby(self.parts, key=lambda p: (p.sampled, p.whole)):
            members = list(run)
            if whole:
                groups.append(Group(first, len(members), members[0].start, width))
            first += len(members)
        return tuple(groups)

    @cached_property
    def ordered(self) -> list[Floats]:
        """Sizes of the groups, each part's ascending, shape (experts, parts, width)."""
        return [np.sort(np.abs(group.view(self.deltas)), axis=-1) for group in self.groups]

    def bits(self, seed: int) -> Words:
        """Return the hash bits of every column, shape (experts, columns), kept for a few seeds."""
        ids = [self.sketch.experts[row] for row in self.rows]

        def make() -> Words:
            return np.stack([self._hashed(seed, name) for name in ids])

        found: Words = self.sketch.memo.get(("bits", seed, *ids), make, MOST_SEEDS)
        return found

    def _hashed(self, seed: int, expert: str) -> Words:
        index = self.sketch.index
        found = [hash_at(seed, p.tensor, expert, index[p.start : p.stop]) for p in self.parts]
        hashed: Words = torch.cat(found).numpy()
        return hashed

    def no_sums(self) -> Sums:
        """Return sums that are all 0."""
        parts, experts = len(self.parts), len(self.rows)

        def counts(*shape: int) -> Counts:
            return np.zeros((parts, *shape), np.int64)

        def table(*shape: int) -> Table:
            return np.zeros((parts, *shape))

        return Sums(
            survivors=counts(experts + 1),
            contested=counts(),
            kept=counts(experts),
            balance=counts(),
            tied=counts(),
            fought=counts(),
            flips=counts(),
            kept2=table(experts),
            kept4=table(experts),
            won=table(experts),
            won2=table(experts),
            won_all=table(experts),
            all2=table(),
            moved2=table(),
            moved4=table(),
        )


def columns_of(sketch: Sketch, rows: tuple[int, ...]) -> Columns:
    """Return the columns of some experts; those of the latest choices are kept."""
    size = len(sketch.experts) * sketch.deltas.shape[1] * sketch.deltas.element_size()
    most = max(2, MOST_BYTES // size)
    found: Columns = sketch.memo.get(("columns", rows), lambda: Columns(sketch, rows), most)
    return found
