"""One pass over base and experts that makes a sketch, tensor by tensor and in cached chunks.

Exact sums are float32 within blocks of 32,768 elements and float64 over blocks. Quantiles come
from histograms, over all elements of a tensor or so large a part of it that a kept share is known
within 0.1 points or 2 % of itself: 4 standard errors at a share of 5 %, where that is hardest.
Time on two cores for five bfloat16 models of 135 M weights, against reading them once (0.14 s):
see ``scripts/bench_preview.py``.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.checkpoints.folder import FolderCheckpoint
from merging.engine.plan import make_plan
from merging.errors import CompatibilityError
from merging.recipe import make_recipe
from merging.sketch import histogram
from merging.sketch.model import Sketch
from merging.sketch.parts import (
    BLOCK,
    QUICK_FROM,
    WHOLE,
    Indices,
    Part,
    draw,
    draw_in_blocks,
    make_parts,
)  # fmt: skip
from merging.sketch.quantiles import SHARES, QuantileTable, exact_table
from merging.sketch.reading import OpenCheckpoint, Reader
from merging.sketch.scratch import scratch
from merging.sketch.threads import share_out

Progress = Callable[[float, str], None]

BLOCK_SUMS = 32_768
CHUNK = 4 * BLOCK_SUMS
PIECE = 8 * CHUNK
STRETCH = 512
# A histogram takes at least 1 / (ENOUGH + 1 / n) of n elements.
ENOUGH = 1.2e-6
LOOKED = 64
ONES = torch.ones(BLOCK_SUMS)

Sums = NDArray[np.float64]


def build_sketch(
    base: Checkpoint,
    experts: Mapping[str, Checkpoint],
    seed: int = 0,
    quick: bool = False,
    progress: Progress = lambda fraction, message: None,
    whole: int = WHOLE,
) -> Sketch:
    """Read base and experts once and keep what previews need.

    Args:
        base: The shared starting point.
        experts: By id; they must fit the base as for a merge.
        seed: Which coordinates are drawn.
        quick: Of tensors of a million elements or more read 32 blocks of 8,192 elements only. Their
            sums are estimates then, and neighbouring elements may be alike, so that intervals
            come out too narrow.
        progress: Called with the share done, from 0 to 1, and a word; it may raise ``Cancelled``.
        whole: Buckets of up to this many elements are taken whole; others are sampled.

    Raises:
        CompatibilityError: The models do not fit together, or hold a number that is not finite.
        SourceError: A file cannot be read.
    """
    names = tuple(sorted(experts))
    infos = base.tensors()
    merged = _merged(base, {name: experts[name] for name in names})
    parts = make_parts({name: tuple(infos[name].shape) for name in merged}, whole)
    with _readers(base, [experts[name] for name in names]) as readers:
        build = _Build(readers, parts, seed, quick)
        with torch.no_grad():
            pieces = share_out(build.pieces, parts)
            found = _gathered(build, pieces, progress)
            columns = np.concatenate([piece.columns for group in pieces for piece in group])
            sketch = _sketch(build, names, torch.from_numpy(columns), found)
    progress(1.0, "sketch built")
    return sketch


def _merged(base: Checkpoint, experts: Mapping[str, Checkpoint]) -> list[str]:
    """Names of the tensors that a merge of these models merges."""
    opened = [OpenCheckpoint(m) if isinstance(m, FolderCheckpoint) else m
              for m in (base, *experts.values())]  # fmt: skip
    recipe = make_recipe("task_arithmetic", list(experts))
    plan = make_plan(recipe, opened[0], dict(zip(experts, opened[1:], strict=True)))
    return [step.tensor for step in plan.merged()]


@contextmanager
def _readers(base: Checkpoint, experts: list[Checkpoint]) -> Iterator[list[Reader]]:
    readers: list[Reader] = []
    try:
        for model in (base, *experts):
            readers.append(Reader(model))
        yield readers
    finally:
        for reader in readers:
            reader.close()


@dataclass(frozen=True, slots=True)
class _Piece:
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
class _Found:
    """Sums of a piece or part, its histograms by expert, and how many elements were read."""

    nonzero: Sums
    l1: Sums
    dots: Sums
    counts: list[histogram.Counts]
    read: int


class _Build:
    """What the threads share: readers, what is drawn and found, and buffers of their own."""

    def __init__(
        self, readers: list[Reader], parts: tuple[Part, ...], seed: int, quick: bool
    ) -> None:
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

    def pieces(self, part: Part) -> list[_Piece]:
        """Cut a part into pieces, with the elements that are drawn from each."""
        if self.quick and part.count >= QUICK_FROM and not part.whole:
            blocks, columns = draw_in_blocks(self.seed, part.tensor, part.count, part.sampled)
            return [_Piece(part, 0, part.count, columns, part.start, blocks)]
        columns = draw(self.seed, part.tensor, part.count, part.sampled)
        edges = [*range(0, part.count, PIECE), part.count]
        at = np.searchsorted(columns, edges).tolist()
        return [
            _Piece(part, edges[i], edges[i + 1], columns[at[i] : at[i + 1]], part.start + at[i])
            for i in range(len(edges) - 1)
        ]


def _gathered(
    build: _Build, pieces: list[list[_Piece]], progress: Progress
) -> list[tuple[_Found, list[QuantileTable]]]:
    """Work through all parts, largest first; the results in order of the parts."""
    total = sum(part.count for part in build.parts)
    done, lock = 0, threading.Lock()

    def work(piece: _Piece) -> _Found:
        nonlocal done
        found = _read(build, piece)
        with lock:
            done += piece.stop - piece.start
            progress(done / total, f"read {piece.part.tensor}")
        return found

    found = iter(share_out(work, [piece for group in pieces for piece in group]))
    joined = [_joined([next(found) for _ in group]) for group in pieces]

    def tabulate(item: tuple[Part, _Found]) -> list[QuantileTable]:
        part, sums = item
        if part.whole:
            return []
        coarse = [_coarse(row) for row in build.deltas[:, part.start : part.stop]]
        return [histogram.table_of(c, k) for c, k in zip(sums.counts, coarse, strict=True)]

    tables = share_out(tabulate, list(zip(build.parts, joined, strict=True)))
    return list(zip(joined, tables, strict=True))


def _read(build: _Build, piece: _Piece) -> _Found:
    """Read one piece chunk by chunk; everything about a chunk happens while it is in cache."""
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
    return _Found(nonzero, l1, dots, counts, read)


def _products(d: Tensor, fine: bool) -> Sums:
    """Pairwise dot products, (experts, experts), in float32 within blocks unless ``fine``."""
    found = np.zeros((len(d), len(d)))
    for start in range(0, d.shape[1], BLOCK_SUMS):
        block = d[:, start : start + BLOCK_SUMS]
        block = block.double() if fine else block
        found += torch.mm(block, block.T).numpy()
    return found


def _totals(sizes: Tensor, fine: bool) -> Sums:
    """Sums over elements, (experts,), in float32 within blocks unless ``fine``."""
    if fine:
        wide: Sums = sizes.double().sum(1).numpy()
        return wide
    found = np.zeros(len(sizes))
    for start in range(0, sizes.shape[1], BLOCK_SUMS):
        block = sizes[:, start : start + BLOCK_SUMS]
        found += torch.mv(block, ONES[: block.shape[1]]).numpy()
    return found


def _chunks(piece: _Piece) -> Iterator[tuple[int, int]]:
    if piece.blocks is not None:
        yield from ((int(at), int(at) + BLOCK) for at in piece.blocks)
        return
    for start in range(piece.start, piece.stop, CHUNK):
        yield start, min(start + CHUNK, piece.stop)


def _every(piece: _Piece) -> int:
    """Of how many stretches of 512 elements a histogram counts one."""
    if piece.blocks is not None or piece.part.whole:
        return 1
    wanted = int(piece.part.count * ENOUGH + 1)
    return min(wanted, CHUNK // STRETCH)


def _take(build: _Build, piece: _Piece, start: int, stop: int, base: Tensor, d: Tensor) -> None:
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


def _check(build: _Build, piece: _Piece, dots: NDArray[np.float64]) -> None:
    """Refuse numbers that are infinite or not a number, where a sum shows them."""
    bad = ~np.isfinite(dots.diagonal())
    if not bad.any():
        return
    row = 0 if bad.all() and len(bad) > 1 else int(np.flatnonzero(bad)[0]) + 1
    raise CompatibilityError(
        f"{build.readers[row].model.name} holds a number in {piece.part.tensor!r} that is infinite "
        "or not a number. The file is damaged or its training diverged."
    )


def _joined(pieces: list[_Found]) -> _Found:
    """Add the pieces of one part, in order."""
    if len(pieces) == 1:
        return pieces[0]
    counts = pieces[0].counts
    for piece in pieces[1:]:
        counts = [histogram.add_patterns(*p) for p in zip(counts, piece.counts, strict=True)]
    nonzero, l1, dots = (
        np.sum([getattr(p, name) for p in pieces], 0) for name in ("nonzero", "l1", "dots")
    )
    return _Found(nonzero, l1, dots, counts, sum(p.read for p in pieces))


def _coarse(deltas: Tensor) -> bool:
    """Whether most deltas are bfloat16 numbers, so that each bin holds one size."""
    low = deltas.contiguous().view(torch.int16)[::2]
    return 2 * int(torch.count_nonzero(low)) < len(low)


def _sketch(
    build: _Build,
    experts: tuple[str, ...],
    index: Tensor,
    found: list[tuple[_Found, list[QuantileTable]]],
) -> Sketch:
    parts, sums = build.parts, [f for f, _ in found]
    scale = np.array([p.count / f.read for p, f in zip(parts, sums, strict=True)])
    nonzero = torch.from_numpy(np.stack([f.nonzero for f in sums]) * scale[:, None])
    l1 = torch.from_numpy(np.stack([f.l1 for f in sums]) * scale[:, None])
    dots = torch.from_numpy(np.stack([f.dots for f in sums]) * scale[:, None, None])
    tables = [_stored(tables) for _, tables in found if tables]
    return Sketch(
        identity=_identity(build, nonzero),
        seed=build.seed,
        quick=build.quick,
        experts=experts,
        parts=parts,
        index=index,
        base=build.base,
        deltas=build.deltas,
        nonzero=nonzero,
        l1=l1,
        dots=dots,
        levels=torch.stack(tables) if tables else torch.empty(0, len(experts), 3, len(SHARES)),
        model_levels=_stored(_model_tables(build, sums)),
    )


def _model_tables(build: _Build, sums: list[_Found]) -> list[QuantileTable]:
    """Tables over the whole model: histograms of all tensors, each counting for all it has."""
    if all(part.whole for part in build.parts):
        return [exact_table(np.sort(np.abs(row.numpy()))) for row in build.deltas]
    tables = []
    for row in range(build.experts):
        counts = np.zeros(histogram.BINS)
        for part, found in zip(build.parts, sums, strict=True):
            own = found.counts[row]
            counts[: len(own)] += own * (part.count / own.sum())
        tables.append(histogram.table_of(counts, _coarse(build.deltas[row])))
    return tables


def _stored(tables: list[QuantileTable]) -> Tensor:
    """Shape (experts, 3, points)."""
    arrays = [np.stack([t.values, t.at_least, t.above]) for t in tables]
    return torch.from_numpy(np.stack(arrays))


def _identity(build: _Build, nonzero: Tensor) -> str:
    """Hash what is the same on every machine: counts, and some weights of every tensor."""
    digest = sha256("\n".join(f"{p.tensor} {p.shape}" for p in build.parts).encode())
    digest.update(nonzero.numpy().tobytes())
    for part in build.parts:
        inside = slice(part.start, min(part.stop, part.start + LOOKED))
        for table in (build.base[inside], build.deltas[:, inside]):
            digest.update(table.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
