"""A device made of memory of the CPU that behaves as one whose copies and kernels take their time.

A tensor "on" it names another device, ``sim:0`` or ``sim:1``: torch refuses to compute with a
tensor of the CPU beside it, and numpy refuses it. Its operations run at once, but the simulation
knows what would not be done yet:

- A copy to the device reads its source, pinned memory, until its queue is waited for: the memory
  must not have changed by then.
- A copy back delivers when its queue is waited for; until then its target holds nonsense.
- What was made in one queue may be used in another only after the first was waited for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import local
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from merging.engine.places import KINDS, Kind

NAME = "sim"
ATEN = torch.ops.aten
FACTORIES = (ATEN.empty.memory_format, ATEN.empty_strided.default)
NONSENSE = 0xA5


class Queue:
    """Work of one lane, in order; ``done`` is how much of it was waited for."""

    def __init__(self) -> None:
        self.begun, self.done = 0, 0
        self.pending: list[tuple[int, Any]] = []

    def begin(self) -> int:
        self.begun += 1
        return self.begun

    def wait(self, until: int) -> None:
        self.done = max(self.done, until)
        due = [finish for at, finish in self.pending if at <= until]
        self.pending = [(at, finish) for at, finish in self.pending if at > until]
        for finish in due:
            finish()


CALLER = Queue()  # of threads that have no lane at work: there everything is waited for
_thread = local()


def queue() -> Queue:
    found: Queue = getattr(_thread, "queue", CALLER)
    return found


class Made:
    """By which queues parts of one piece of memory were written, and when."""

    def __init__(self) -> None:
        self.writes: list[tuple[range, Queue, int]] = []

    def note(self, written: Tensor) -> None:
        part, by = _extent(written), queue()
        kept = [w for w in self.writes if w[1] is not by or not _within(w[0], part)]
        self.writes = [*kept, (part, by, by.begin())]

    def check(self, used: Tensor) -> None:
        part, mine = _extent(used), queue()
        for written, by, at in self.writes:
            apart = written.stop <= part.start or part.stop <= written.start
            late = by is not mine and by is not CALLER and at > by.done
            assert apart or not late, "used in another queue before it was made"


def _extent(tensor: Tensor) -> range:
    """The elements of its memory between the first and the last of a tensor."""
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    length = 1 + sum((size - 1) * step for size, step in steps) if tensor.numel() else 0
    return range(tensor.storage_offset(), tensor.storage_offset() + length)


def _within(inner: range, outer: range) -> bool:
    return outer.start <= inner.start and inner.stop <= outer.stop


class There(Tensor):
    """A tensor on the device."""

    inner: Tensor
    made: Made

    @staticmethod
    def __new__(cls, inner: Tensor, device: torch.device, made: Made) -> "There":
        found: There = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=device,
        )
        found.inner, found.made = inner, made
        return found

    def __init__(self, *unused: Any) -> None:
        super().__init__()

    def __repr__(self, **unused: Any) -> str:
        return f"There({self.inner}, {self.device})"

    def tolist(self) -> Any:
        self.made.check(self.inner)
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, There) else value


def _compute(func: Any, args: Any, kwargs: Any) -> Any:
    tensors = [v for v in tree_flatten((args, kwargs))[0] if isinstance(v, Tensor)]
    ours = [t for t in tensors if isinstance(t, There)]
    device = ours[0].device if ours else None
    copies = func in (ATEN.copy_.default, ATEN._to_copy.default)
    for tensor in () if func.is_view else ours:
        tensor.made.check(tensor.inner)
    if not copies:
        places = {str(t.device) for t in tensors if t.dim() or isinstance(t, There)}
        assert len(places) < 2, f"{func} is given tensors on {places}"
    asked = kwargs.get("device")
    if asked is not None:
        device, kwargs = torch.device(asked), {**kwargs, "device": torch.device("cpu")}
    kwargs.pop("pin_memory", None)
    if device is not None and device.type == NAME and device.index is None:
        device = torch.device(NAME, 0)
    if func is ATEN.copy_.default:
        device = args[0].device
    out = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    return _wrapped(out, device, ours)


def _wrapped(out: Any, device: torch.device | None, ours: list[There]) -> Any:
    """Put results on the device; what shares memory with an argument shares its history."""
    if device is None or device.type != NAME:
        return out

    def wrap(value: Any) -> Any:
        if not isinstance(value, Tensor) or isinstance(value, There):
            return value
        for tensor in ours:
            if tensor.inner is value:
                tensor.made.note(value)
                return tensor
            if _storage(tensor.inner) == _storage(value):
                return There(value, device, tensor.made)
        made = Made()
        made.note(value)
        return There(value, device, made)

    return tree_map(wrap, out)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() or -id(tensor)


class Point:
    """A mark in a queue."""

    def __init__(self, queue: Queue) -> None:
        self.queue, self.at = queue, queue.begin()

    def synchronize(self) -> None:
        self.queue.wait(self.at)


class SimulatedPort:
    """A queue of work on the device; see ``merging.engine.lanes.Port``."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.queue = Queue()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        torch._C._set_only_lift_cpu_tensors(True)
        before = queue()
        _thread.queue = self.queue
        try:
            yield
        finally:
            _thread.queue = before
            self.queue.wait(self.queue.begin())

    def pinned(self, size: int) -> Tensor:
        return torch.full((size,), NONSENSE, dtype=torch.uint8)

    def copy(self, source: Tensor, target: Tensor) -> None:
        assert queue() is self.queue, "copied outside of the lane's work"
        at = self.queue.begin()
        if isinstance(target, There):
            assert not isinstance(source, There)
            target.copy_(source)
            begun = source.clone()
            self.queue.pending.append((at, lambda: _unchanged(source, begun)))
        else:
            assert isinstance(source, There)
            source.made.check(source.inner)
            delivered = source.inner.clone()
            target.view(torch.uint8).fill_(NONSENSE)
            self.queue.pending.append((at, lambda: target.copy_(delivered)))

    def mark(self) -> Point:
        return Point(self.queue)


def _unchanged(source: Tensor, begun: Tensor) -> None:
    same = torch.equal(source.view(torch.uint8), begun.view(torch.uint8))
    assert same, "pinned memory was written again before its copy was done"


class _Module:
    """What torch asks of a device everywhere: here nothing, so that other tests never meet it."""

    def is_available(self) -> bool:
        return False

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 0

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass


def _factory(func: Any, *args: Any, **kwargs: Any) -> Any:
    return _compute(func, args, kwargs)


def install() -> None:
    """Make the device known to torch and to the engine; once in a process."""
    if NAME in KINDS:
        return
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    # Numbers in torch.tensor(..., device=...) are made on the CPU and moved, as for fake tensors.
    torch._C._set_only_lift_cpu_tensors(True)
    others = torch.library.Library("_", "IMPL")
    others.fallback(_factory, "PrivateUse1")
    factories = torch.library.Library("aten", "IMPL")
    for func in FACTORIES:
        name = f"{func._schema.name}.{func._schema.overload_name}".removesuffix(".")
        factories.impl(name, partial(_factory, func), "PrivateUse1")
    _libraries.extend((others, factories))
    KINDS[NAME] = Kind(SimulatedPort, lambda: 2, lambda device: 1 << 34)


_libraries: list[Any] = []  # gone libraries take their functions with them
