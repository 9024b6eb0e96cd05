"""A tensor that arrives in parts: checks each, gives its bytes, and knows what is missing."""

from bisect import bisect
from threading import Lock

import torch
from torch import Tensor

from merging.engine.shards import Slot


class Incoming:
    """One tensor of the output on its way to its place in a shard; for any thread.

    Attributes:
        slot: The tensor.
        shard: Number of its shard.
    """

    def __init__(self, slot: Slot, shard: int, offset: int) -> None:
        """Expect a tensor whose first byte is ``offset`` bytes from the beginning of its file."""
        self.slot = slot
        self.shard = shard
        self._offset = offset
        self._runs: list[tuple[int, int]] = []  # what has come; disjoint, neighbours joined
        self._lock = Lock()

    @property
    def complete(self) -> bool:
        """Has every element come?"""
        return self.slot.elements == 0 or self._runs == [(0, self.slot.elements)]

    def accept(self, start: int, values: Tensor) -> tuple[int, memoryview]:
        """Take a part.

        Args:
            start: Index of its first element in the flattened tensor.
            values: Flat contiguous CPU tensor of the slot's type.

        Returns:
            Offset of its first byte from the beginning of the file, and its memory, not copied.

        Raises:
            ValueError: The part is of another kind, lies outside or has come before.
        """
        data = _memory(self.slot, values)
        with self._lock:
            self._cover(start, start + values.numel())
        return self._offset + start * self.slot.dtype.itemsize, data

    def _cover(self, start: int, stop: int) -> None:
        """Note elements as come."""
        runs, count = self._runs, self.slot.elements
        if not 0 <= start <= stop <= count:
            raise ValueError(f"{self.slot.name!r} has no elements {start} to {stop}, but {count}")
        if start == stop:
            return
        at = bisect(runs, (start, stop))
        left = runs[at - 1] if at > 0 else (-1, -1)
        right = runs[at] if at < len(runs) else (count + 1, count + 1)
        if left[1] > start or right[0] < stop:
            raise ValueError(f"elements {start} to {stop} of {self.slot.name!r} came before")
        touches_left, touches_right = left[1] == start, right[0] == stop
        joined = (left[0] if touches_left else start, right[1] if touches_right else stop)
        runs[at - touches_left : at + touches_right] = [joined]


def _memory(slot: Slot, values: Tensor) -> memoryview:
    """The tensor's bytes where they are."""
    fits = values.dtype == slot.dtype and values.dim() == 1 and values.is_contiguous()
    if not fits or values.device.type != "cpu":
        raise ValueError(f"{slot.name!r} wants flat contiguous CPU values of type {slot.dtype}")
    flat = values.detach().as_strided(values.shape, (1,))  # one element may have any stride
    return flat.view(torch.uint8).numpy().data
