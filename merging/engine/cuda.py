"""CUDA as the engine needs it: one stream for each lane, pinned memory, events.

Nothing here runs before a device is asked for, so importing it starts no CUDA. Every lane has one
stream, in which its copies and its kernels follow each other as they were begun; nothing a lane
makes is used in another stream before the lane waited for its own (``at_work``), so that no tensor
has to be recorded with a second stream. No kernels are fused here, by torch.compile or by Triton:
whether that pays could not be measured where this was written, for want of a GPU.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor


class CudaPort:
    """A stream of a CUDA device; see ``merging.engine.lanes.Port``."""

    def __init__(self, device: str) -> None:
        """Make a stream; what was begun elsewhere on the device is waited for first."""
        self.device = torch.device(device)
        torch.cuda.synchronize(self.device)
        self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    def at_work(self) -> AbstractContextManager[None]:
        """Return a context in which this thread uses the stream; at its end the stream is done."""
        return self._at_work()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with torch.cuda.device(self.device), torch.cuda.stream(self._stream):
            try:
                yield
            finally:
                self._stream.synchronize()

    def pinned(self, size: int) -> Tensor:
        """Return page-locked bytes."""
        return torch.empty(size, dtype=torch.uint8, pin_memory=True)

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Begin a copy in the stream."""
        with torch.cuda.stream(self._stream):
            target.copy_(source, non_blocking=True)

    def mark(self) -> torch.cuda.Event:
        """Record an event in the stream."""
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(self._stream)
        return event


def count() -> int:
    """Return how many CUDA devices are visible; 0 also where this PyTorch has no CUDA."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def free(device: str) -> int:
    """Return how many bytes of a device's memory are free, or kept by torch for its next use."""
    left, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(left + kept)
