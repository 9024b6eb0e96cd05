"""Pieces of tensors read chunk by chunk: sums, histograms and samples in one go.

Sums are float32 within blocks of 32,768 elements and float64 over blocks.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.errors import CompatibilityError
from merging.sketch import histogram
from merging.sketch.parts import BLOCK, QUICK_FROM, Indices, Part, draw, draw_in_blocks
from merging.sketch.reading import Reader
from merging.sketch.scratch import scratch

BLOCK_SUMS = 32_768
CHUNK = 4 * BLOCK_SUMS
PIECE = 8 * CHUNK
STRETCH = 512
# A histogram takes at least 1 / (ENOUGH + 1 / n) of n elements.
ENOUGH = 1.2e-6

Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of elements of one part, done by one thread.

    Attributes:
        part: The part.
        start, stop: First element and the one after the last.
        columns: Flat indices that are sampled here, ascending.
        at: Column of the first of them.
        blocks: First elements of the blocks that are read, where only those are; else None.
    """

    part: Part
    start: int
    stop: int
    columns: Indices
    at: int
    blocks: Indices | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Sums of a piece or part, its histograms by expert, and how many elements were read."""

    nonzero: Sums
    l1: Sums
    dots: Sums
    counts: list[histogram.Counts]
    read: int


class Build:
    """What the threads share: readers, what is drawn and found, and buffers of their own."""

    def __init__(
        self, readers: list[Reader], parts: tuple[Part, ...], seed: int, quick: bool
    ) -> None:
        """Make room for the samples; the base's reader comes first."""
        self.readers, self.parts, self.seed, self.quick = readers, parts, seed, quick
        self.experts, columns = len(readers) - 1, parts[-1].stop
        self.base, self.deltas = torch.empty(columns), torch.empty((self.experts, columns))
        self._local = threading.local()

    def buffers(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Base (CHUNK,), deltas and their sizes (experts, CHUNK), rounded (experts, PIECE)."""
        if not hasattr(self._local, "buffers"):
            wide = (self.experts, CHUNK)
            self._local.buffers = (
                torch.empty(CHUNK),
                torch.empty(wide),
                torch.empty(wide),
                torch.empty((self.experts, PIECE), dtype=torch.bfloat16),
            )
        found: tuple[Tensor, Tensor, Tensor, Tensor] = self._local.buffers
        return found

    def pieces(self, part: Part) -> list[Piece]:
        """Cut a part into pieces, with the elements that are drawn from each."""
        if self.quick and part.count >= QUICK_FROM and not part.whole:
            blocks, columns = draw_in_blocks(self.seed, part.tensor, part.count, part.sampled)
            return [Piece(part, 0, part.count, columns, part.start, blocks)]
        columns = draw(self.seed, part.tensor, part.count, part.sampled)
        edges = [*range(0, part.count, PIECE), part.count]
        at = np.searchsorted(columns, edges).tolist()
        return [
            Piece(part, edges[i], edges[i + 1], columns[at[i] : at[i + 1]], part.start + at[i])
            for i in range(len(edges) - 1)
        ]


def read_piece(build: Build, piece: Piece) -> Found:
    """Read one piece; everything about a chunk happens while it is in cache.

    Raises:
        SourceError: A file cannot be read.
        CompatibilityError: A number is infinite or not a number.
    """
    experts = build.experts
    base, deltas, sizes, rounded = build.buffers()
    nonzero, l1, dots = np.zeros(experts), np.zeros(experts), np.zeros((experts, experts))
    every, filled, read = _every(piece), 0, 0
    for start, stop in _chunks(piece):
        size = stop - start
        b, d, s = base[:size], deltas[:, :size], sizes[:, :size]
        build.readers[0].read(piece.part.tensor, start, b)
        for reader, row in zip(build.readers[1:], d, strict=True):
            reader.read(piece.part.tensor, start, row)
        d.sub_(b)
        torch.abs(d, out=s)
        dots += _products(d, piece.part.whole)
        l1 += _totals(s, piece.part.whole)
        changed = np.not_equal(d.numpy(), 0, out=scratch("changed", tuple(d.shape), np.bool_))
        nonzero += [np.count_nonzero(row) for row in changed]
        _take(build, piece, start, stop, b, d)
        filled = _round(s, rounded, filled, every, start // CHUNK)
        read += size
    _check(build, piece, dots)
    counts = [histogram.count_patterns(row[:filled]) for row in rounded]
    return Found(nonzero, l1, dots, counts, read)


def _products(d: Tensor, fine: bool) -> Sums:
    """Pairwise dot products, (experts, experts), in float32 within blocks unless ``fine``."""
    if fine:
        wide = d.double()
        exact: Sums = torch.mm(wide, wide.T).numpy()
        return exact
    full = d.shape[1] // BLOCK_SUMS * BLOCK_SUMS
    blocks = torch.unflatten(d[:, :full], 1, (-1, BLOCK_SUMS)).movedim(1, 0) if full else d[None]
    found: Sums = torch.bmm(blocks, blocks.mT).double().sum(0).numpy()
    if 0 < full < d.shape[1]:
        found += torch.mm(d[:, full:], d[:, full:].T).numpy()
    return found


def _totals(sizes: Tensor, fine: bool) -> Sums:
    """Sums over elements, (experts,), in float32 within blocks unless ``fine``."""
    parts = sizes.double() if fine else sizes
    found = np.zeros(len(sizes))
    for start in range(0, sizes.shape[1], BLOCK_SUMS):
        found += parts[:, start : start + BLOCK_SUMS].sum(1).numpy()
    return found


def _chunks(piece: Piece) -> Iterator[tuple[int, int]]:
    if piece.blocks is not None:
        yield from ((int(at), int(at) + BLOCK) for at in piece.blocks)
        return
    for start in range(piece.start, piece.stop, CHUNK):
        yield start, min(start + CHUNK, piece.stop)


def _every(piece: Piece) -> int:
    """Of how many stretches of 512 elements a histogram counts one."""
    if piece.blocks is not None or piece.part.whole:
        return 1
    wanted = int(piece.part.count * ENOUGH + 1)
    return min(wanted, CHUNK // STRETCH)


def _take(build: Build, piece: Piece, start: int, stop: int, base: Tensor, d: Tensor) -> None:
    """Put what is sampled of a chunk where it belongs, while the chunk is in cache."""
    first, last = np.searchsorted(piece.columns, [start, stop])
    if first == last:
        return
    here, at = piece.columns[first:last] - start, slice(piece.at + first, piece.at + last)
    np.take(base.numpy(), here, out=build.base.numpy()[at], mode="clip")
    for row, found in zip(d.numpy(), build.deltas.numpy(), strict=True):
        np.take(row, here, out=found[at], mode="clip")


def _round(sizes: Tensor, rounded: Tensor, filled: int, every: int, turn: int) -> int:
    """Add the sizes that a histogram counts to those of the piece; return how many there are."""
    groups = sizes.shape[1] // (STRETCH * every)
    if every > 1 and groups:
        # Another place in every chunk, in no step with the length of a row.
        place = turn * 40503 % every
        wide = torch.unflatten(sizes[:, : groups * every * STRETCH], 1, (groups, every, STRETCH))
        stop = filled + groups * STRETCH
        out = torch.unflatten(rounded[:, filled:stop], 1, (groups, STRETCH))
        histogram.patterns(wide[:, :, place], out)
        return stop
    stop = filled + sizes.shape[1]
    histogram.patterns(sizes, rounded[:, filled:stop])
    return stop


def _check(build: Build, piece: Piece, dots: NDArray[np.float64]) -> None:
    """Refuse numbers that are infinite or not a number, where a sum shows them."""
    bad = ~np.isfinite(dots.diagonal())
    if not bad.any():
        return
    row = 0 if bad.all() and len(bad) > 1 else int(np.flatnonzero(bad)[0]) + 1
    raise CompatibilityError(
        f"{build.readers[row].model.name} holds a number in {piece.part.tensor!r} that is infinite "
        "or not a number. The file is damaged or its training diverged."
    )
