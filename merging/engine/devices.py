"""Where to compute, and with how many threads."""

import torch

from merging.engine.places import KINDS
from merging.errors import ResourceError


def checked_device(name: str) -> str:
    """Return the name of a device that is there: cpu, cuda for all GPUs, or cuda:1 for one.

    Raises:
        ResourceError: It is no such name, or there is no such device.
    """
    kind, colon, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (colon and not number.isdecimal())):
        raise ResourceError(f"Cannot compute on {name!r:.60}. Choose cpu or cuda.")
    if name == "cpu":
        return name
    there = KINDS["cuda"].count()
    if not there:
        raise ResourceError("There is no CUDA device, or this PyTorch has no CUDA. Choose cpu.")
    if number and int(number) >= there:
        raise ResourceError(
            f"There is no {name:.60}: the CUDA devices are cuda:0 to cuda:{there - 1}. "
            "Choose one of them, or cuda for all."
        )
    return name


def one_thread() -> None:
    """Let the calling thread compute alone, so that a busy worker leaves the other cores free."""
    torch.set_num_threads(1)
