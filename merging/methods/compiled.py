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
    return _made(loop, set())


def compiled_sum(loop: Callable[Inputs, Result]) -> Callable[Inputs, Result]:
    """Return a compiled loop whose sums are added in the order that suits the machine's vectors.

    For sums in float64 that are told, never for what a merge writes: their last bits differ from
    one kind of machine to another.

    Args:
        loop: As for ``compiled``.
    """
    return _made(loop, {"reassoc"})


def _made(loop: Callable[Inputs, Result], loose: set[str]) -> Callable[Inputs, Result]:
    try:
        made = njit(nogil=True, cache=True, error_model="numpy", fastmath=loose)(loop)
    except RuntimeError:  # nowhere to remember it
        made = njit(nogil=True, error_model="numpy", fastmath=loose)(loop)
    return cast(Callable[Inputs, Result], made)
