"""Parts of a sketch in the making: pieces of tensors, swept by any thread and put together.

What a build holds does not grow with the models: the samples, a few sums of every tensor, one
histogram of the whole model, and of each tensor that is being read.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from merging.errors import CompatibilityError, MergeError
from merging.sketch import histogram
from merging.sketch.parts import BLOCK, BLOCKS, QUICK_FROM, Indices, Part, draw, draw_in_blocks
from merging.sketch.quantiles import SHARES
from merging.sketch.reading import Reader
from merging.sketch.sweep import BINS, FINE, TILE, sweep

PIECE = 1 << 20
# Bytes that a thread reads at once, of all models together. With less, threads that wait for the
# interpreter's lock between short reads take turns instead of working at the same time.
ROOM = 1 << 21
# Elements that one read in quick mode counts for, and any other: whole numbers in proportion.
READ_QUICKLY = BLOCKS * BLOCK

Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of elements of one part, done by one thread.

    Attributes:
        number: Which part.
        turn: Which of its pieces.
        start, stop: First element and the one after the last.
    """

    number: int
    turn: int
    start: int
    stop: int


@dataclass(slots=True)
class Growing:
    """A part of which pieces are being read.

    Attributes:
        sums: As of ``sweep``, shape (pieces, 3 + experts, experts).
        left: Pieces that are not done.
        blocks: First elements of the blocks that are read, where only those are.
        drawn: Its columns are drawn.
        counts: Its histograms, from the first of several pieces to the last.
    """

    sums: Sums
    left: int
    blocks: Indices | None = None
    drawn: bool = False
    counts: histogram.Counts | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Build:
    """What the threads share, and what they find.

    Attributes:
        readers: Of the base and of every expert.
        parts: What is sampled of every tensor.
        index, base, deltas: As in ``Sketch``.
        sums: As of ``sweep``, over what was read, shape (tensors, 3 + experts, experts).
        read: Elements read of every tensor, shape (tensors,).
        levels: As in ``Sketch``.
        counts: Histograms over the model, shape (experts, bins).
    """

    def __init__(
        self, readers: list[Reader], parts: tuple[Part, ...], seed: int, quick: bool
    ) -> None:
        """Make room for what will be found; the base's reader comes first."""
        self.readers, self.parts, self.seed, self.quick = readers, parts, seed, quick
        experts, columns = len(readers) - 1, parts[-1].stop
        self.experts = experts
        self.index = np.empty(columns, np.int64)
        self.base = np.empty(columns, np.float32)
        self.deltas = np.empty((experts, columns), np.float32)
        self.sums = np.zeros((len(parts), 3 + experts, experts))
        self.read = np.array([READ_QUICKLY if self.hasty(p) else p.count for p in parts])
        tables = np.cumsum([not part.whole for part in parts])
        self.table = tables - 1
        self.levels = np.empty((tables[-1], experts, 3, len(SHARES)), np.float32)
        self.counts = np.zeros((experts, BINS), np.int64)
        self._growing: dict[int, Growing] = {}
        self._lock, self._local = threading.Lock(), threading.local()

    def hasty(self, part: Part) -> bool:
        """Whether only blocks of a part are read."""
        return self.quick and part.count >= QUICK_FROM and not part.whole

    def pieces(self) -> Iterator[Piece]:
        """Cut all parts into pieces, those of one part one after another."""
        for number, part in enumerate(self.parts):
            length = part.count if self.hasty(part) else PIECE
            starts = range(0, part.count, length)
            for turn, start in enumerate(starts):
                yield Piece(number, turn, start, min(start + length, part.count))

    def growing(self, number: int) -> Growing:
        """Return what is known of a part, with its columns drawn."""
        part = self.parts[number]
        with self._lock:
            if number not in self._growing:
                pieces = 1 if self.hasty(part) else -(-part.count // PIECE)
                shape = (pieces, 3 + self.experts, self.experts)
                self._growing[number] = Growing(np.zeros(shape), pieces)
            found = self._growing[number]
        with found.lock:
            if not found.drawn:
                own = self.index[part.start : part.stop]
                if self.hasty(part):
                    found.blocks, own[:] = draw_in_blocks(
                        self.seed, part.tensor, part.count, part.sampled
                    )
                else:
                    own[:] = draw(self.seed, part.tensor, part.count, part.sampled)
                found.drawn = True
        return found

    def room(self) -> tuple[NDArray[np.uint8], histogram.Counts]:
        """Return memory of the calling thread: for what is read, and empty histograms."""
        if not hasattr(self._local, "room"):
            stored = np.empty(max(ROOM, len(self.readers) * 4 * TILE), np.uint8)
            self._local.room = stored, np.zeros((self.experts, BINS), np.int64)
        found: tuple[NDArray[np.uint8], histogram.Counts] = self._local.room
        return found

    def add(self, piece: Piece, growing: Growing, counts: histogram.Counts) -> None:
        """Take over what was counted in a piece; tabulate a part with its last."""
        with growing.lock:
            growing.left -= 1
            if len(growing.sums) > 1:
                if growing.counts is None:
                    growing.counts = np.zeros_like(counts)
                histogram.drain(counts, 1, growing.counts)
                counts = growing.counts
            if growing.left:
                return
        self.sums[piece.number] = growing.sums.sum(0)
        self._tabulate(piece.number, counts)
        del self._growing[piece.number]

    def _tabulate(self, number: int, counts: histogram.Counts) -> None:
        part, read = self.parts[number], int(self.read[number])
        if not part.whole:
            coarse = 2 * self.sums[number, FINE] < read
            self.levels[self.table[number]] = histogram.tables_of(counts, coarse)
        with self._lock:
            histogram.drain(counts, READ_QUICKLY * part.count // read, self.counts)


def read_piece(build: Build, piece: Piece) -> None:
    """Sweep over one piece and add what is found.

    Raises:
        SourceError: A file cannot be read.
        CompatibilityError: A number is infinite or not a number.
    """
    part, growing = build.parts[piece.number], build.growing(piece.number)
    stored, counts = build.room()
    readers, name = build.readers, part.tensor
    sizes = [reader.size(name) for reader in readers]
    kinds = np.array([reader.kind(name) for reader in readers], np.int64)
    step = len(stored) // len(readers) // 4 * 4
    own = build.index[part.start : part.stop]
    at = part.start + int(np.searchsorted(own, piece.start))
    for start, stop in _runs(piece, growing.blocks, step // max(sizes) // TILE * TILE):
        for number, reader in enumerate(readers):
            first = number * step
            reader.fetch(name, start, stored[first : first + (stop - start) * sizes[number]])
        at = sweep(
            stored, step, kinds, start, stop - start,
            build.index, at, part.stop, build.base, build.deltas.reshape(-1),
            counts.reshape(-1), growing.sums[piece.turn].reshape(-1),
        )  # fmt: skip
        if at < 0:
            raise _not_finite(build, name, start, stop - start)
    build.add(piece, growing, counts)


def _runs(piece: Piece, blocks: Indices | None, length: int) -> Iterator[tuple[int, int]]:
    """First elements of what is read at once and those after the last."""
    if blocks is None:
        edges = [(piece.start, piece.stop)]
    else:
        edges = [(int(at), int(at) + BLOCK) for at in blocks]
    for first, last in edges:
        for start in range(first, last, length):
            yield start, min(start + length, last)


def _not_finite(build: Build, name: str, start: int, count: int) -> MergeError:
    """Say whose number it is."""
    for reader in build.readers:
        if not reader.finite(name, start, count):
            return CompatibilityError(
                f"{reader.model.name} holds a number in {name!r} that is infinite or not a number. "
                "The file is damaged or its training diverged."
            )
    return CompatibilityError(
        f"An expert differs from {build.readers[0].model.name} in {name!r} by more than float32 "
        "can hold. The file is damaged or its training diverged."
    )
