"""Which device works on which tensor, and every thread's lane to it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import local

import torch

from merging.checkpoints.base import MemoryCheckpoint
from merging.engine import cuda
from merging.engine.chunks import CHUNK
from merging.engine.lanes import DeviceLane, HostLane, Lane, Port
from merging.engine.plan import Plan, Step

# Elements of a chunk on a device. Beginning one operation takes about 5 microseconds, in which such
# memory moves some 20 MB: rows of 64 MB hide that, and four experts of them fit any device.
DEVICE_CHUNK = 1 << 24
SMALLEST = 1 << 15  # elements: the blocks that sums are made of
LANES = 2  # for each device: while one copies the other computes
HELD = (
    5  # stacks of a chunk that a lane holds at the peak: as stored, widened, trimmed, weighed, bits
)
SHARE = 0.8  # of a device's free memory that is used


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of device.

    Attributes:
        port: Opens a queue of work on a device, by its name.
        count: How many there are.
        free: Bytes that are free on one of them, by its name.
    """

    port: Callable[[str], Port]
    count: Callable[[], int]
    free: Callable[[str], int]


KINDS: dict[str, Kind] = {"cuda": Kind(cuda.CudaPort, cuda.count, cuda.free)}


def devices_of(name: str) -> tuple[str, ...]:
    """Return the devices that a name stands for: ``cuda`` for all there are, ``cuda:1`` for one."""
    kind, _, number = name.partition(":")
    if kind not in KINDS or number:
        return (name,)
    return tuple(f"{kind}:{index}" for index in range(KINDS[kind].count()))


def free_on(device: str) -> int:
    """Return the bytes that are free on a device."""
    return KINDS[device.partition(":")[0]].free(device)


def deal(
    steps: Iterable[Step], devices: Sequence[str], lying: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Deal tensors out to devices so that all have about as much to do.

    Largest first, each to the device with the fewest elements so far, the first among equals.

    Args:
        steps: Tensors.
        devices: At least one.
        lying: Where weights lie already; those of one of the devices stay there.

    Returns:
        The device of each tensor, by name.
    """
    load = dict.fromkeys(devices, 0)
    fixed = {n: d for n, d in (lying or {}).items() if d in load}
    sizes = {step.tensor: torch.Size(step.info.shape).numel() for step in steps}
    dealt = {}
    for name in sorted(sizes, key=lambda n: (n not in fixed, -sizes[n], n)):
        where = fixed[name] if name in fixed else min(devices, key=lambda d: load[d])
        dealt[name] = where
        load[where] += sizes[name]
    return dealt


def lying(plan: Plan) -> dict[str, str]:
    """Return the device of each tensor of which a model in memory lies on one."""
    found: dict[str, str] = {}
    for model in (*plan.experts, plan.base):
        if isinstance(model, MemoryCheckpoint):
            found |= {n: str(t.device) for n, t in model.state.items() if t.device.type != "cpu"}
    return found


def chunk_of(plan: Plan, device: str) -> int:
    """Return how many elements are worked on at a time: as many as its memory allows."""
    if device == "cpu":
        return CHUNK
    row = HELD * (len(plan.experts) + 1) * (8 if plan.wide else 4)
    least = min(free_on(each) for each in devices_of(device))
    chunk = DEVICE_CHUNK
    while chunk > SMALLEST and LANES * chunk * row > SHARE * least:
        chunk //= 2
    return chunk


class Places:
    """Where each tensor of a plan is worked on.

    Attributes:
        devices: Their names.
        homes: Of each tensor, by its name, the number of its device.
    """

    def __init__(self, plan: Plan, devices: Sequence[str], length: int = DEVICE_CHUNK) -> None:
        """Deal a plan's tensors out.

        Args:
            plan: What is to be done.
            devices: Their names.
            length: Elements of a block on a device.
        """
        self.devices = tuple(devices)
        dealt = deal(plan.merged(), self.devices, lying(plan))
        self.homes = {name: self.devices.index(where) for name, where in dealt.items()}
        self._length = length
        self._lanes = local()

    @property
    def on_host(self) -> bool:
        """Whether it is the CPU."""
        return self.devices == ("cpu",)

    def device(self, tensor: str) -> str:
        """Return the device that works on a tensor."""
        return self.devices[self.homes[tensor]]

    def lane(self, tensor: str) -> Lane:
        """Return the calling thread's lane to where a tensor is worked on."""
        name = self.device(tensor)
        lanes: dict[str, Lane] | None = getattr(self._lanes, "by_device", None)
        if lanes is None:
            lanes = self._lanes.by_device = {}
        if name not in lanes:
            lanes[name] = self._open(name)
        return lanes[name]

    @contextmanager
    def at(self, tensor: str) -> Iterator[None]:
        """Do one piece of work where a tensor is worked on; all of it is done at the end."""
        with self.lane(tensor).at_work():
            yield

    def _open(self, name: str) -> Lane:
        kind = name.partition(":")[0]
        return DeviceLane(KINDS[kind].port(name), self._length) if kind in KINDS else HostLane()
