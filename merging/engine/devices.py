"""Where to compute, and with how many threads."""

import torch

from merging.errors import ResourceError


def best_device() -> str:
    """Return ``cuda`` when there is one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def checked_device(name: str | None) -> str:
    """Return where to compute: ``name``, or the best there is.

    Raises:
        ResourceError: It is neither cpu nor cuda, or there is no CUDA device.
    """
    if name is None:
        return best_device()
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise ResourceError(f"Cannot compute on {name!r:.60}. Choose cpu or cuda.")
    if name != "cpu" and not torch.cuda.is_available():
        raise ResourceError("There is no CUDA device, or this PyTorch has no CUDA. Choose cpu.")
    return name


def one_thread() -> None:
    """Let the calling thread compute alone, so that a busy worker leaves the other cores free."""
    torch.set_num_threads(1)
