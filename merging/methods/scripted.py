"""Kernels that run as one call, without the interpreter's lock between their operations.

Threads that merge chunks spend their time in short operations, and after each they wait for each
other's turn at Python: two threads were no faster than one. TorchScript runs a whole kernel in one
call. The operations are the same, so are the results, and where it is not there a kernel runs as
the Python that it is.
"""

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import torch

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result")


def scripted(kernel: Callable[Inputs, Result]) -> Callable[Inputs, Result]:
    """Return a kernel that TorchScript runs.

    Args:
        kernel: Tensors, numbers and texts in and out; nothing but calls of torch within.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # present in all versions we allow
            return cast(Callable[Inputs, Result], torch.jit.script(kernel))
    except (AttributeError, RuntimeError):
        return kernel
