"""Where a merge is worth computing, and why: from bytes and rates alone.

The CPU's rates are measured (``merging.engine.estimate``). The three figures about a GPU below are
estimates: they could not be measured where this was written.
"""

from dataclasses import dataclass

from merging.engine.places import SHARE
from merging.units import size_text

STARTING = 2.0  # seconds: a CUDA context, its libraries, pinned memory. An estimate.
# Bytes a second to one device. PCIe 4.0 x16 carries some 25e9 from pinned memory, but two threads
# fill that from mapped files at about 8e9. An estimate.
SENDING = 8e9
TIMES = 10.0  # as fast as two cores where a method computes more than it reads. An estimate.


@dataclass(frozen=True, slots=True)
class Load:
    """What a merge asks of a machine.

    Attributes:
        moved: Bytes of weights gone through in all passes.
        rate: Bytes a second that the CPU goes through, measured.
        streams: Chunk by chunk; else the device holds whole tensors, and decomposes or sorts them.
        needed: Bytes that a device must hold at once.
        lying: The weights lie on a device already.
    """

    moved: int
    rate: float
    streams: bool
    needed: int
    lying: bool = False


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs there are: how many, and the bytes free on the fullest of them."""

    count: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """A device and why it is taken, in words."""

    device: str
    why: str


def seconds_there(load: Load, gpus: int) -> float:
    """Return how long a merge would take on so many GPUs, at least 1; an estimate."""
    moving = 0.0 if load.lying else load.moved / SENDING
    computing = load.moved / (load.rate * TIMES)
    return STARTING + (moving + (0.0 if load.streams else computing)) / gpus


def choose(load: Load, gpus: Gpus) -> Choice:
    """Choose between the CPU and all GPUs.

    Args:
        load: What the merge asks.
        gpus: What is there.
    """
    if gpus.count == 0:
        return Choice("cpu", "there is no CUDA device")
    if load.needed > SHARE * gpus.free:
        return Choice(
            "cpu",
            f"a GPU would have to hold {size_text(load.needed)} at once, and "
            f"{size_text(gpus.free)} of its memory are free",
        )
    if load.lying:
        return Choice("cuda", "the weights lie there")
    here, there = load.moved / load.rate, seconds_there(load, gpus.count)
    times = f"{size_text(load.moved)} take about {here:.1f} s on the CPU and {there:.1f} s on "
    times += "a GPU" if gpus.count == 1 else f"{gpus.count} GPUs"
    if there >= here:
        return Choice("cpu", f"too little for a GPU to pay: {times} (estimated)")
    return Choice("cuda", f"{times} (estimated)")
