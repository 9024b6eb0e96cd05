"""How numbers reach the place where they are computed, and how results come back.

A lane belongs to one thread. On the CPU nothing has to be moved. On a device a chunk is copied into
pinned memory, sent from there, and its result comes back the same way; all that a lane begins, its
copies and its kernels, waits in one queue of the device and is done in that order. Copies overlap
compute because every device has several lanes, each with a queue and buffers of its own.

What keeps this right, in three rules:

1. A pinned buffer is written again only after the copy that was last begun from it is done.
2. A result is read only after its copy back is done.
3. At the end of a piece of work the thread waits for its queue, so that what it made may be used by
   any other thread, and what it used may be freed.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from merging.methods.context import Masks
from merging.methods.masks import HashMasks

LENGTH = 131_072  # elements of a block on the CPU, a multiple of the 32,768 that sums are made of
ALIGNED = 256  # bytes to which places in a pinned buffer are rounded up


class Lane(Protocol):
    """One thread's way to where it computes."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    @property
    def length(self) -> int:
        """Elements of a block: what kernels are given at a time."""
        ...

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context for one piece of work; all of it is done when the context ends."""
        ...

    def bring(self, stored: Sequence[Tensor]) -> list[Tensor]:
        """Return tensors of any place on the device, in their types.

        What lies on the device is returned as it is. The rest of it may still be on its way: only
        this lane's thread may use it, within the same piece of work.
        """
        ...

    def room(self, out: Tensor) -> Tensor:
        """Return where on the device a result may be made that is to go to ``out``."""
        ...

    def take(self, made: Tensor, out: Tensor) -> None:
        """Copy to ``out`` what was made in its ``room``; it is there on return."""
        ...


class Mark(Protocol):
    """A point in a queue of work."""

    def synchronize(self) -> None:
        """Wait until all that was begun before is done."""
        ...


class Port(Protocol):
    """A queue of work on one device, for one thread; ``DeviceLane`` keeps the order."""

    @property
    def device(self) -> torch.device:
        """The device."""
        ...

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context in which all that is computed enters this queue.

        It ends, also after an error, when everything in the queue is done.
        """
        ...

    def pinned(self, size: int) -> Tensor:
        """Return bytes of the host's memory, shape (size,), which the device can copy by itself."""
        ...

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Begin to copy from pinned memory to the device, or back."""
        ...

    def mark(self) -> Mark:
        """Mark the end of what has been begun."""
        ...


class HostLane:
    """Computes where the weights lie, on the CPU."""

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    @property
    def length(self) -> int:
        """Elements of a block that stays in the cache."""
        return LENGTH

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()

    def bring(self, stored: Sequence[Tensor]) -> list[Tensor]:
        """Return the tensors; those of a device are fetched."""
        return [t.cpu() for t in stored]

    def room(self, out: Tensor) -> Tensor:
        """Return the place itself, or memory of the CPU where it lies on a device."""
        return out if out.device.type == "cpu" else torch.empty_like(out, device="cpu")

    def take(self, made: Tensor, out: Tensor) -> None:
        """Copy what was not made in place."""
        if out is not made:
            out.copy_(made)


class DeviceLane:
    """Computes on a device, with one pinned buffer in each direction."""

    def __init__(self, port: Port, length: int) -> None:
        """Open a lane for the calling thread.

        Args:
            port: A queue of work of its own.
            length: Elements of a block.
        """
        self.length = length
        self._port = port
        self._there, self._back = _Pinned(port), _Pinned(port)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._port.device

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context for one piece of work; see ``Lane``."""
        return self._port.at_work()

    def bring(self, stored: Sequence[Tensor]) -> list[Tensor]:
        """Return the tensors on the device; see ``Lane``."""
        sizes = [_aligned(t) if t.device.type == "cpu" else 0 for t in stored]
        buffer, at, found = self._there.free(sum(sizes)), 0, []
        for tensor, size in zip(stored, sizes, strict=True):
            if tensor.device.type == "cpu":
                place = buffer[at : at + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
                place.copy_(tensor)
                there = torch.empty(tensor.shape, dtype=tensor.dtype, device=self.device)
                self._port.copy(place, there)
                found.append(there)
            else:
                found.append(tensor.to(self.device))
            at += size
        self._there.begun()
        return found

    def room(self, out: Tensor) -> Tensor:
        """Return the place itself where it lies on the device, else memory there."""
        return out if out.device == self.device else torch.empty_like(out, device=self.device)

    def take(self, made: Tensor, out: Tensor) -> None:
        """Copy a result back by pinned memory and wait for it; see ``Lane``."""
        if out is made:
            return
        if out.device.type != "cpu":
            out.copy_(made)
            return
        buffer = self._back.free(made.nbytes).view(made.dtype).view(made.shape)
        self._port.copy(made, buffer)
        self._back.begun()
        self._back.wait()
        out.copy_(buffer)


class _Pinned:
    """A pinned buffer that grows, and the last copy that was begun with it."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._memory: Tensor | None = None
        self._last: Mark | None = None

    def free(self, size: int) -> Tensor:
        """Return ``size`` bytes that no copy uses any more."""
        self.wait()
        if self._memory is None or len(self._memory) < size:
            self._memory = None  # given back before more is asked for
            self._memory = self._port.pinned(size)
        return self._memory[:size]

    def begun(self) -> None:
        """Note that copies with the buffer have been begun."""
        self._last = self._port.mark()

    def wait(self) -> None:
        """Wait for the last of them."""
        if self._last is not None:
            self._last.synchronize()
            self._last = None


def _aligned(tensor: Tensor) -> int:
    return -(-tensor.nbytes // ALIGNED) * ALIGNED


def masks_on(masks: Masks, device: torch.device | str) -> Masks:
    """Return masks that are drawn on a device; those handed in stay where they are."""
    return replace(masks, device=device) if isinstance(masks, HashMasks) else masks
