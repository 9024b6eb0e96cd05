"""Where to compute, and with how many threads."""

import torch


def best_device() -> str:
    """Return ``cuda`` when there is one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def one_thread() -> None:
    """Let the calling thread compute alone, so that a busy worker leaves the other cores free."""
    torch.set_num_threads(1)
