"""What a plan costs before it is carried out: bytes, memory, time, and where it would run."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from merging.engine.beyond import ask
from merging.engine.choice import SENDING, STARTING, TIMES, Choice, Gpus, Load, choose
from merging.engine.chunks import CHUNK, cut
from merging.engine.devices import checked_device
from merging.engine.passes import expected
from merging.engine.places import LANES, SMALLEST, chunk_of, devices_of, free_on, lying
from merging.engine.plan import Plan, Step
from merging.engine.ranks import most_gathered
from merging.engine.stream import told_of
from merging.engine.streaming import streams
from merging.errors import ResourceError
from merging.methods.context import Context
from merging.methods.masks import HashMasks
from merging.units import size_text

# Anonymous memory, in bytes, of what does not depend on the plan. Measured: 175 MB when all is
# imported, 45 MB more once a small merge has run (threads, scripts), 64 MB for the queue of the
# writer, 35 MB and 2.5 MB a loop where numba has to compile; and 10 % on top.
FIXED_MEMORY = 400_000_000
# What a merge in small pieces takes at most, beside three of the largest chunk for every model.
PROMISED = 600_000_000
GATHERING = 12  # bytes of a size that is gathered for an order statistic, and of how often it is
# Bytes of weights that one pass goes through in a second, four bfloat16 experts on two cores: by
# chunks (TIES and task arithmetic alike, 1.2 to 1.9), and by tensors (magnitudes and sums; sorting;
# SVDs).
FAST = 1.2e9
PLAIN, SORTING, DECOMPOSING = 2e8, 4e7, 8e6
LEAST = 1 << 28  # bytes of a device's memory without which its chunks would be small
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
        whole_for: Why it does, as a clause, or "".
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
    whole_for: str
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
        device: Where to compute; by default where it is faster.
        memory: Budget in bytes; without one as much as the work likes.
        threads: Threads that compute; torch's number by default.

    Raises:
        ResourceError: The device is not there.
    """
    choice = chosen(plan, device, threads)
    where, once = choice.device, _once(plan)
    shape = work_of(plan, where, memory, threads)
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
        whole_for="" if shape.streams else _whole_for(plan, where),
        longest_call=_longest_call(plan),
        seconds=shape.passes * once / shape.rate + (0.0 if where == "cpu" else STARTING),
        device=where,
        why=choice.why,
    )


def chosen(plan: Plan, device: str | None = None, threads: int | None = None) -> Choice:
    """Return where a plan is carried out, and why.

    Args:
        plan: What to do.
        device: What was asked for, or None to choose by size.
        threads: Threads that compute on the CPU; torch's number by default.

    Raises:
        ResourceError: The device is not there.
    """
    if device is not None:
        where = checked_device(device)
        many = len(devices_of(where))
        return Choice(where, f"asked for; all {many} GPUs" if many > 1 else "asked for")
    there = devices_of("cuda")
    if not there:
        return choose(Load(0, 1.0, True, 0), Gpus())
    work = work_of(plan, "cpu", threads=threads)
    needed = LEAST if work.streams else work.memory - FIXED_MEMORY
    moved = work.passes * _once(plan)
    load = Load(moved, work.rate, work.streams, needed, bool(lying(plan)))
    return choose(load, Gpus(len(there), min(map(free_on, there))))


def _once(plan: Plan) -> int:
    return sum(_read(plan, step) for step in plan.merged())


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
    there = 0 if device == "cpu" else len(devices_of(device))
    if not streams(plan):
        return _tensorwise(plan, sizes, rows * width, TIMES * there if there else 1.0)
    told = told_of(plan, HashMasks(plan.recipe.seed), None)
    workers, chunk = threads or torch.get_num_threads(), chunk_of(plan, device)
    if there:
        workers, rows = LANES * there, rows + 1  # the pinned memory of what is read and written
    fixed = FIXED_MEMORY + _gathered(plan, told, sizes)
    allowed = math.inf if there else PROMISED + 3 * rows * width * CHUNK
    allowed = allowed if memory is None else memory
    while True:
        needed = fixed + workers * rows * width * (chunk + SPARE)
        if needed <= allowed or chunk <= SMALLEST:
            break
        chunk //= 2
    before = expected(plan, told, list(cut(plan.merged(), chunk)))
    passes = 1 + math.ceil(before / sum(sizes))
    rate = SENDING * there if there else FAST
    return Work(True, chunk, workers, passes, needed, rate)


def _gathered(plan: Plan, told: Context, sizes: list[int]) -> int:
    """Bytes of sizes from which order statistics are selected; small types have few sizes."""
    wide = plan.recipe.spec.scope(told.settings) == "model"
    count = sum(sizes) if wide else max(sizes)
    asked = ask(plan.recipe.spec.trim, told, count).wanted
    stored = max(d.itemsize for s in plan.merged() for _, d in _models(plan, s))
    if stored < 4 or count <= CHUNK:
        return 0
    return GATHERING * len(asked) * most_gathered(count)


def _tensorwise(plan: Plan, sizes: list[int], row_bytes: int, times: float) -> Work:
    spec, scope = plan.recipe.spec, plan.recipe.spec.scope(plan.recipe.settings())
    whole = spec.whole is not None or scope == "model"
    held = row_bytes * sum(sizes) if whole else 0
    memory = FIXED_MEMORY + COPIES * row_bytes * max(sizes) + held
    rate = DECOMPOSING if _longest_call(plan) else SORTING if scope != "element" else PLAIN
    return Work(False, max(sizes), 1, 1, memory, rate * times)


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
    why = "" if told.streams else f" The method cannot work in small pieces: {told.whole_for}."
    raise ResourceError(
        f"The merge needs about {size_text(told.memory)} of memory, and {size_text(memory)} "
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


def _whole_for(plan: Plan, device: str) -> str:
    """Why a plan is not carried out chunk by chunk."""
    spec = plan.recipe.spec
    if reason := spec.whole_for(plan.recipe.settings()):
        return reason
    if device != "cpu":
        return f"on {device} it goes tensor by tensor"
    return "it looks at a whole model of which some tensors are float64"


def _longest_call(plan: Plan) -> str:
    matrices = [s.info.shape for s in plan.merged() if len(s.info.shape) == 2]
    if plan.recipe.spec.family != "Spectral" or not matrices:
        return ""
    rows, columns = max(matrices, key=lambda shape: math.prod(shape) * min(shape))
    return f"an SVD of {rows} x {columns}"
