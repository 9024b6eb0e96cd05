"""One pass over base and experts that makes a sketch: each piece is read once and swept once.

Sums and histograms count every element; see ``merging.sketch.sweep``. Time on two cores for five
bfloat16 models of 135 M weights, against reading them once: see ``scripts/bench_preview.py``.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from merging.checkpoints.base import Checkpoint
from merging.engine.plan import make_plan
from merging.recipe import make_recipe
from merging.sketch.histogram import tables_of
from merging.sketch.model import Sketch
from merging.sketch.parts import WHOLE, make_parts
from merging.sketch.pieces import Build, Piece, read_piece
from merging.sketch.quantiles import exact_table
from merging.sketch.reading import Reader
from merging.sketch.sweep import DOTS, FINE, L1, NONZERO
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
        _read(build, progress)
    sketch = _sketch(build, names)
    progress(1.0, "sketch built")
    return sketch


def _merged(base: Checkpoint, experts: Mapping[str, Checkpoint]) -> list[str]:
    """Names of the tensors that a merge of these models merges."""
    plan = make_plan(make_recipe("task_arithmetic", list(experts)), base, experts)
    return [step.tensor for step in plan.merged()]


@contextmanager
def _readers(base: Checkpoint, experts: list[Checkpoint]) -> Iterator[list[Reader]]:
    with ExitStack() as stack:
        yield [Reader(model, stack.enter_context(model.opened())) for model in (base, *experts)]


def _read(build: Build, progress: Progress) -> None:
    """Work through all parts, largest first."""
    total = sum(part.count for part in build.parts)
    done, lock = 0, threading.Lock()

    def work(piece: Piece) -> None:
        nonlocal done
        read_piece(build, piece)
        with lock:
            done += piece.stop - piece.start
            progress(done / total, f"read {build.parts[piece.number].tensor}")

    share_out(work, build.pieces())


def _sketch(build: Build, experts: tuple[str, ...]) -> Sketch:
    counts = np.array([part.count for part in build.parts])
    sums = build.sums * (counts / build.read)[:, None, None]
    upper = np.triu(sums[:, DOTS:])
    dots = upper + np.triu(upper, 1).swapaxes(1, 2)
    nonzero = torch.from_numpy(sums[:, NONZERO].copy())
    return Sketch(
        identity=_identity(build, nonzero),
        seed=build.seed,
        quick=build.quick,
        experts=experts,
        parts=build.parts,
        index=torch.from_numpy(build.index),
        base=torch.from_numpy(build.base),
        deltas=torch.from_numpy(build.deltas),
        nonzero=nonzero,
        l1=torch.from_numpy(sums[:, L1].copy()),
        dots=torch.from_numpy(dots),
        levels=torch.from_numpy(build.levels),
        model_levels=torch.from_numpy(_model_levels(build, sums[:, FINE].sum(0) / counts.sum())),
    )


def _model_levels(build: Build, fine: NDArray[np.float64]) -> NDArray[np.float32]:
    """Tables over the whole model, given the share of changes that bfloat16 does not hold."""
    if all(part.whole for part in build.parts):
        tables = [exact_table(np.sort(np.abs(row))) for row in build.deltas]
        return np.stack([np.stack([t.values, t.at_least, t.above]) for t in tables])
    return tables_of(build.counts, 2 * fine < 1)


def _identity(build: Build, nonzero: Tensor) -> str:
    """Hash what is the same on every machine: counts, and some weights of every tensor."""
    digest = sha256("\n".join(f"{p.tensor} {p.shape}" for p in build.parts).encode())
    digest.update(nonzero.numpy().tobytes())
    for part in build.parts:
        inside = slice(part.start, min(part.stop, part.start + LOOKED))
        for table in (build.base[inside], build.deltas[:, inside]):
            digest.update(table.tobytes())
    return digest.hexdigest()[:16]
