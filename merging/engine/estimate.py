"""What a plan costs before it is carried out: bytes, memory, time, and where it would run."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from merging.engine.chunks import CHUNK, cut
from merging.engine.devices import checked_device
from merging.engine.passes import expected
from merging.engine.plan import Plan, Step
from merging.engine.stream import told_of
from merging.engine.streaming import streams
from merging.errors import ResourceError
from merging.methods.masks import HashMasks

# What Python, torch, the queue of the writer and buffers of a fixed size take, in bytes.
FIXED_MEMORY = 600_000_000
# Bytes of weights that one pass goes through in a second, four bfloat16 experts on two cores: by
# chunks (task arithmetic; TIES), and by tensors (magnitudes and sums; sorting; SVDs).
FAST, TRIMMING = 1.2e9, 5e8
PLAIN, SORTING, DECOMPOSING = 2e8, 4e7, 8e6
SMALLEST = 1 << 15  # elements: the blocks that sums are made of
SPARE = 1 << 18  # elements of buffers beside each worker's chunk
COPIES = 3  # of a stack at the peak of a kernel on whole tensors


@dataclass(frozen=True, slots=True)
class Estimate:
    """What carrying out a plan takes.

    Attributes:
        tensors: Number of tensors of any model; the sum of the three that follow.
        merged: How many are merged.
        copied: How many are taken over, from the reference or from the tensor they are tied to.
        left_out: How many are not written.
        passes: How often the weights are read.
        read_bytes: Read in all passes together.
        written_bytes: Size of the written weights.
        memory: Bytes of anonymous memory at the peak.
        chunk: Elements worked on at a time.
        workers: Threads that compute.
        streams: False: the method needs the whole model (or a whole tensor) at once.
        longest_call: What cannot be interrupted (an SVD of 2048 x 5632), or "".
        seconds: From a measured rate; start-up not counted.
        device: Where it would be computed.
        why: Why there.
    """

    tensors: int
    merged: int
    copied: int
    left_out: int
    passes: int
    read_bytes: int
    written_bytes: int
    memory: int
    chunk: int
    workers: int
    streams: bool
    longest_call: str
    seconds: float
    device: str
    why: str


def estimate(
    plan: Plan,
    device: str | None = None,
    memory: int | None = None,
    threads: int | None = None,
) -> Estimate:
    """Return what carrying out a plan takes; no weight is read.

    Args:
        plan: What to do.
        device: Where to compute; the best there is by default.
        memory: Budget in bytes; without one as much as the work likes.
        threads: Threads that compute; torch's number by default.

    Raises:
        ResourceError: The device is not there.
    """
    where = checked_device(device)
    shape = work_of(plan, where, memory, threads)
    once = sum(_read(plan, step) for step in plan.merged())
    copied = [s for s in plan.steps if s.action in ("copy", "tie")]
    return Estimate(
        tensors=len(plan.steps),
        merged=len(plan.merged()),
        copied=len(copied),
        left_out=sum(s.action == "leave_out" for s in plan.steps),
        passes=shape.passes,
        read_bytes=shape.passes * once + sum(_size(s) for s in copied if s.action == "copy"),
        written_bytes=sum(_written(plan, s) for s in (*plan.merged(), *copied)),
        memory=shape.memory,
        chunk=shape.chunk,
        workers=shape.workers,
        streams=shape.streams,
        longest_call=_longest_call(plan),
        seconds=shape.passes * once / shape.rate,
        device=where,
        why=_why(device, where),
    )


@dataclass(frozen=True, slots=True)
class Work:
    """How a plan is carried out within a budget.

    Attributes:
        streams: Chunk by chunk.
        chunk: Elements that one worker holds at a time.
        workers: Threads.
        passes: How often weights are read; a pass over the large tensors only counts as one.
        memory: Bytes at the peak.
        rate: Bytes a second that a pass goes through.
    """

    streams: bool
    chunk: int
    workers: int
    passes: int
    memory: int
    rate: float


def work_of(plan: Plan, device: str, memory: int | None = None, threads: int | None = None) -> Work:
    """Return how a plan is carried out: the largest chunks that a budget allows.

    Args:
        plan: What to do.
        device: Where.
        memory: Budget in bytes, or None for none.
        threads: Threads; torch's number by default.
    """
    rows, width = len(plan.experts) + 1, 8 if plan.wide else 4
    sizes = [math.prod(step.info.shape) for step in plan.merged()]
    if not streams(plan):
        return _tensorwise(plan, sizes, rows * width)
    workers, chunk = threads or torch.get_num_threads(), CHUNK
    while True:
        needed = FIXED_MEMORY + workers * rows * width * (chunk + SPARE)
        if memory is None or needed <= memory or chunk <= SMALLEST:
            break
        chunk //= 2
    spec, told = plan.recipe.spec, told_of(plan, HashMasks(plan.recipe.seed), None)
    before = expected(plan, told, list(cut(plan.merged(), chunk)))
    passes = 1 + math.ceil(before / sum(sizes))
    rate = TRIMMING if spec.trim or spec.sparsify else FAST
    return Work(True, chunk, workers, passes, needed, rate)


def _tensorwise(plan: Plan, sizes: list[int], row_bytes: int) -> Work:
    spec, scope = plan.recipe.spec, plan.recipe.spec.scope(plan.recipe.settings())
    whole = spec.whole is not None or scope == "model"
    held = row_bytes * sum(sizes) if whole else 0
    memory = FIXED_MEMORY + COPIES * row_bytes * max(sizes) + held
    rate = DECOMPOSING if _longest_call(plan) else SORTING if scope != "element" else PLAIN
    return Work(False, max(sizes), 1, 1, memory, rate)


def check_budget(told: Estimate, memory: int | None) -> None:
    """Refuse work that would not keep within a budget.

    Args:
        told: What the work takes.
        memory: The budget in bytes, or None for none.

    Raises:
        ResourceError: It does not fit; the message says what would.
    """
    if memory is None or told.memory <= memory:
        return
    why = "" if told.streams else " The method cannot work in small pieces."
    raise ResourceError(
        f"The merge needs about {told.memory / 1e9:.2f} GB of memory, and {memory / 1e9:.2f} GB "
        f"are allowed.{why} Allow more with --memory, or take fewer experts or another method."
    )


def _models(plan: Plan, step: Step) -> Iterator[tuple[tuple[int, ...], torch.dtype]]:
    for model in (*([plan.base] if plan.base else []), *plan.experts):
        info = model.tensors()[step.tensor]
        yield info.shape, info.dtype


def _read(plan: Plan, step: Step) -> int:
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in _models(plan, step))


def _size(step: Step) -> int:
    return math.prod(step.info.shape) * step.info.dtype.itemsize


def _written(plan: Plan, step: Step) -> int:
    named = plan.recipe.dtype
    if named is None or not step.info.dtype.is_floating_point:
        return _size(step)
    dtype: torch.dtype = getattr(torch, named)
    return math.prod(step.info.shape) * dtype.itemsize


def _longest_call(plan: Plan) -> str:
    matrices = [s.info.shape for s in plan.merged() if len(s.info.shape) == 2]
    if plan.recipe.spec.family != "Spectral" or not matrices:
        return ""
    rows, columns = max(matrices, key=lambda shape: math.prod(shape) * min(shape))
    return f"an SVD of {rows} x {columns}"


def _why(asked: str | None, where: str) -> str:
    if asked is not None:
        return "asked for"
    return "the fastest there is" if where != "cpu" else "there is no CUDA device"
