"""Arrays that are used again and again: fresh ones cost more than the arithmetic on them."""

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

MOST_SHAPES = 512


class _Local(threading.local):
    def __init__(self) -> None:
        self.memory: dict[str, NDArray[np.uint8]] = {}
        self.views: dict[tuple[str, tuple[int, ...]], NDArray[Any]] = {}


_LOCAL = _Local()


def scratch(name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return an array of the calling thread with anything in it.

    Whoever asks for the same name again gets the same memory, so that no result may stay in it.
    A name always has the same type.
    """
    found = _LOCAL.views.get((name, shape))
    if found is not None:
        return found
    size = math.prod(shape) * np.dtype(dtype).itemsize
    known = _LOCAL.memory.get(name)
    if known is None or len(known) < size or len(_LOCAL.views) > MOST_SHAPES:
        known = _LOCAL.memory[name] = np.empty(size, np.uint8)
        _LOCAL.views = {key: view for key, view in _LOCAL.views.items() if key[0] != name}
    found = _LOCAL.views[name, shape] = known[:size].view(dtype).reshape(shape)
    return found
