"""Runs of elements of a checkpoint's tensors, as stored, read into memory that is used again."""

import numpy as np
import torch
from numpy.typing import NDArray

from merging.checkpoints.base import Checkpoint, Opened
from merging.sketch.sweep import BFLOAT16, FLOAT16, FLOAT32

KINDS = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16, torch.float16: FLOAT16}
TYPES = {kind: dtype for dtype, kind in KINDS.items()}

Bytes = NDArray[np.uint8]


class Reader:
    """One open checkpoint, read in runs of elements; types other than ``KINDS`` as float32."""

    def __init__(self, model: Checkpoint, opened: Opened) -> None:
        """Read from a checkpoint while it is open."""
        self.model = model
        self._opened = opened
        self._types = {name: info.dtype for name, info in model.tensors().items()}

    def kind(self, name: str) -> int:
        """Return how a tensor's elements are handed out, one of ``KINDS``."""
        return KINDS.get(self._types[name], FLOAT32)

    def size(self, name: str) -> int:
        """Return the bytes of an element as it is handed out."""
        return TYPES[self.kind(name)].itemsize

    def fetch(self, name: str, start: int, out: Bytes) -> None:
        """Read a run of elements as they are stored.

        Args:
            name: The tensor.
            start: Flat index of the first element.
            out: Where to put them, shape (elements * bytes of one,).

        Raises:
            SourceError: The file cannot be read or ends early.
        """
        into = torch.from_numpy(out).view(TYPES[self.kind(name)])
        if self._types[name] in KINDS:
            self._opened.read(name, start, into)
        else:
            into.copy_(self._opened.run(name, start, start + len(into)))

    def finite(self, name: str, start: int, count: int) -> bool:
        """Return whether a run of elements holds only finite numbers."""
        return bool(torch.isfinite(self._opened.run(name, start, start + count)).all())
