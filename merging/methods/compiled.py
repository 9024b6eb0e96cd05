"""Loops over plain arrays, compiled to machine code: one pass over memory, no interpreter's lock.

A kernel made of torch's operations goes through memory once for each of them, and between two of
them threads wait for each other's turn at Python. A compiled loop does all of it while a number is
at hand. Numba keeps the result of every operation as it is written (no fused multiply-add, no other
order of a sum), so the bits are those of torch's operations, which tests compare.

A compiled loop may call compiled loops of its own module only: what is kept on disk from one start
to the next is made anew when its own file changes, not when another does.
"""

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result")

_KINDS: dict[torch.dtype, type[np.floating[Any]]] = {
    torch.float32: np.float32,
    torch.float64: np.float64,
}


def compiled(loop: Callable[Inputs, Result]) -> Callable[Inputs, Result]:
    """Return a loop that is compiled when it is first called and remembered on disk.

    Where no folder can be written it is compiled once for each start. A division by zero gives
    infinity or NaN, as everywhere in numpy.

    Args:
        loop: Takes and returns numpy arrays and numbers; uses nothing else.
    """
    return _made(loop, set())


def compiled_sum(loop: Callable[Inputs, Result]) -> Callable[Inputs, Result]:
    """Return a compiled loop whose sums are added in the order that suits the machine's vectors.

    For sums in float64 that are told, never for what a merge writes: their last bits differ from
    one kind of machine to another.

    Args:
        loop: As for ``compiled``.
    """
    return _made(loop, {"reassoc", "nsz"})


def _made(loop: Callable[Inputs, Result], loose: set[str]) -> Callable[Inputs, Result]:
    try:
        made = njit(nogil=True, cache=True, error_model="numpy", fastmath=loose)(loop)
    except RuntimeError:  # nowhere to remember it
        made = njit(nogil=True, error_model="numpy", fastmath=loose)(loop)
    return cast(Callable[Inputs, Result], made)


def compiles(numbers: Tensor) -> bool:
    """Return whether compiled loops can take a tensor: float32 or float64 on the CPU."""
    return numbers.device.type == "cpu" and numbers.dtype in _KINDS and not numbers.requires_grad


def flat(rows: Tensor) -> tuple[NDArray[Any], int]:
    """Return rows as one array, and the distance between the beginnings of two rows.

    Args:
        rows: Shape (rows, *shape); copied only where the numbers of a row do not lie in order.
    """
    each = rows.reshape(len(rows), -1)
    count = each.shape[1]
    if count == 0:
        return np.empty(0, number_type(rows)), 0
    if count > 1 and each.stride(1) != 1:
        each = each.contiguous()
    step = each.stride(0)
    return each.as_strided(((len(each) - 1) * step + count,), (1,)).numpy(), step


def number_type(like: Tensor) -> type[np.floating[Any]]:
    """Return the numpy type of a tensor's numbers."""
    return _KINDS[like.dtype]


def numbers(values: Sequence[float], like: Tensor) -> NDArray[Any]:
    """Return one number for each row, of the type of a tensor's."""
    return np.array(values, number_type(like))
