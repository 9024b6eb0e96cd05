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
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.checkpoints.folder import FolderCheckpoint
from merging.engine.plan import make_plan
from merging.recipe import make_recipe
from merging.sketch import histogram
from merging.sketch.model import Sketch
from merging.sketch.parts import WHOLE, Part, make_parts
from merging.sketch.pieces import Build, Found, Piece, read_piece
from merging.sketch.quantiles import SHARES, QuantileTable, exact_table
from merging.sketch.reading import OpenCheckpoint, Reader
from merging.sketch.threads import share_out

Progress = Callable[[float, str], None]

LOOKED = 64


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
        build = Build(readers, parts, seed, quick)
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


def _gathered(
    build: Build, pieces: list[list[Piece]], progress: Progress
) -> list[tuple[Found, list[QuantileTable]]]:
    """Work through all parts, largest first; the results in order of the parts."""
    total = sum(part.count for part in build.parts)
    done, lock = 0, threading.Lock()

    def work(piece: Piece) -> Found:
        nonlocal done
        found = read_piece(build, piece)
        with lock:
            done += piece.stop - piece.start
            progress(done / total, f"read {piece.part.tensor}")
        return found

    found = iter(share_out(work, [piece for group in pieces for piece in group]))
    joined = [_joined([next(found) for _ in group]) for group in pieces]

    def tabulate(item: tuple[Part, Found]) -> list[QuantileTable]:
        part, sums = item
        if part.whole:
            return []
        coarse = [_coarse(row) for row in build.deltas[:, part.start : part.stop]]
        return [histogram.table_of(c, k) for c, k in zip(sums.counts, coarse, strict=True)]

    tables = share_out(tabulate, list(zip(build.parts, joined, strict=True)))
    return list(zip(joined, tables, strict=True))


def _joined(pieces: list[Found]) -> Found:
    """Add the pieces of one part, in order."""
    if len(pieces) == 1:
        return pieces[0]
    counts = pieces[0].counts
    for piece in pieces[1:]:
        counts = [histogram.add_patterns(*p) for p in zip(counts, piece.counts, strict=True)]
    nonzero, l1, dots = (
        np.sum([getattr(p, name) for p in pieces], 0) for name in ("nonzero", "l1", "dots")
    )
    return Found(nonzero, l1, dots, counts, sum(p.read for p in pieces))


def _coarse(deltas: Tensor) -> bool:
    """Whether most deltas are bfloat16 numbers, so that each bin holds one size."""
    low = deltas.contiguous().view(torch.int16)[::2]
    return 2 * int(torch.count_nonzero(low)) < len(low)


def _sketch(
    build: Build,
    experts: tuple[str, ...],
    index: Tensor,
    found: list[tuple[Found, list[QuantileTable]]],
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


def _model_tables(build: Build, sums: list[Found]) -> list[QuantileTable]:
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


def _identity(build: Build, nonzero: Tensor) -> str:
    """Hash what is the same on every machine: counts, and some weights of every tensor."""
    digest = sha256("\n".join(f"{p.tensor} {p.shape}" for p in build.parts).encode())
    digest.update(nonzero.numpy().tobytes())
    for part in build.parts:
        inside = slice(part.start, min(part.stop, part.start + LOOKED))
        for table in (build.base[inside], build.deltas[:, inside]):
            digest.update(table.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
