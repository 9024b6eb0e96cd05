"""Loops over plain arrays, compiled to machine code: one pass over memory, no interpreter's lock.

A kernel made of torch's operations goes through memory once for each of them, and between two of
them threads wait for each other's turn at Python. A compiled loop does all of it while a number is
at hand. Numba keeps the result of every operation as it is written (no fused multiply-add, no other
order of a sum), so the bits are those of torch's operations, which tests compare.

A compiled loop may call compiled loops of its own module only: what is kept on disk from one start
to the next is made anew when its own file changes, not when another does.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result")


def compiled(loop: Callable[Inputs, Result]) -> Callable[Inputs, Result]:
    """Return a loop that is compiled when it is first called and remembered on disk.

    Where no folder can be written it is compiled once for each start. A division by zero gives
    infinity or NaN, as everywhere in numpy.

    Args:
        loop: Takes and returns numpy arrays and numbers; uses nothing else.
    """
    try:
        made = njit(nogil=True, cache=True, error_model="numpy")(loop)
    except RuntimeError:  # nowhere to remember it
        made = njit(nogil=True, error_model="numpy")(loop)
    return cast(Callable[Inputs, Result], made)


def summed(loop: Callable[Inputs, Result]) -> Callable[Inputs, Result]:
    """Return a compiled loop that may add up in any order, several numbers at a time.

    Args:
        loop: As for ``compiled``; its last bits say nothing.
    """
    order = {"reassoc", "nsz"}
    try:
        made = njit(nogil=True, cache=True, error_model="numpy", fastmath=order)(loop)
    except RuntimeError:  # nowhere to remember it
        made = njit(nogil=True, error_model="numpy", fastmath=order)(loop)
    return cast(Callable[Inputs, Result], made)
