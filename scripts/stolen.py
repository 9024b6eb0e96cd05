"""How much processor time a virtual machine's host gave to others while something was timed.

A guest that is given half a core cannot be told from a slow program by its clock alone. Linux
counts what was stolen (``man 5 proc``, /proc/stat, the eighth figure of its first line).
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

Found = TypeVar("Found")
COUNTS = Path("/proc/stat")
TICK = os.sysconf("SC_CLK_TCK")
ROUNDS = 5
LITTLE = 0.05


@dataclass(frozen=True)
class Timed(Generic[Found]):
    """What a round found, and the share of the processors that others had meanwhile."""

    found: Found
    share: float

    @property
    def note(self) -> str:
        """The share in words."""
        return f"{100 * self.share:.0f} % of the processors stolen"


def stolen_seconds(counts: str) -> float:
    """Return the stolen time since start, in seconds of one processor.

    Args:
        counts: The text of /proc/stat.
    """
    return int(counts.splitlines()[0].split()[8]) / TICK


def loop_seconds() -> float:
    """Return what ten million steps of a Python loop take now: how fast this machine is."""
    begin = time.perf_counter()
    number = 0
    for step in range(10_000_000):
        number += step
    return time.perf_counter() - begin


def _stolen() -> float:
    return stolen_seconds(COUNTS.read_text()) if COUNTS.exists() else 0.0


def once(work: Callable[[], Found]) -> Timed[Found]:
    """Do something once and tell what was stolen meanwhile."""
    begin, before = time.perf_counter(), _stolen()
    found = work()
    spent = (time.perf_counter() - begin) * (os.cpu_count() or 1)
    return Timed(found, min(1.0, (_stolen() - before) / spent))


def least_disturbed(work: Callable[[], Found], rounds: int = ROUNDS) -> Timed[Found]:
    """Do something until next to nothing was stolen meanwhile, at most so many times.

    Returns:
        The round from which least was stolen; how it came out has no say.
    """
    best = once(work)
    for _ in range(rounds - 1):
        if best.share <= LITTLE:
            break
        best = min(best, once(work), key=lambda timed: timed.share)
    return best
