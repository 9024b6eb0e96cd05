"""Findings on what a merge takes: memory, disk and time against what is there."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from merging.engine.estimate import Estimate
from merging.preflight.findings import Finding
from merging.units import size_text, time_text

LONG = 600.0  # seconds


def resources(
    told: Estimate, folder: Path, budget: int | None = None, memory: int | None = None
) -> Iterator[Finding]:
    """Compare an estimate with what is there.

    Args:
        told: What the merge takes.
        folder: Where it would be written, or the nearest folder above that exists.
        budget: Bytes of memory that were allowed, or None.
        memory: Bytes of memory that are free; asked of the system where None.
    """
    free = memory if memory is not None else free_memory()
    needs = f"The merge needs about {size_text(told.memory)} of memory"
    if budget is not None and told.memory > budget:
        message = f"{needs}; {size_text(budget)} are allowed."
        remedy = "Allow more with --memory, or take fewer experts or another method."
        yield _finding("blocks", "memory", message, remedy, told.memory, budget)
    elif free is not None and told.memory > free:
        message = f"{needs}; {size_text(free)} are free."
        remedy = "Close other programs, give --memory, or take fewer experts or another method."
        yield _finding("warns", "memory", message, remedy, told.memory, free)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    disk = shutil.disk_usage(folder).free
    if told.written_bytes > disk:
        message = (
            f"The model takes {size_text(told.written_bytes)} on disk; {size_text(disk)} are free."
        )
        remedy = "Free some space or write elsewhere."
        yield _finding("blocks", "disk", message, remedy, told.written_bytes, disk)
    severe = told.seconds > LONG
    message = (
        f"The merge takes about {time_text(told.seconds)} on {told.device}, "
        f"{size_text(told.memory)} of memory and {size_text(told.written_bytes)} on disk."
    )
    remedy = "Try fewer experts or a method that works in chunks." if severe else ""
    values = (time_text(told.seconds),)
    yield Finding("warns" if severe else "tells", "time", message, remedy, values=values)


def free_memory() -> int | None:
    """Return bytes of memory that can be had without swapping, or None where nobody can tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _finding(
    severity: str, code: str, message: str, remedy: str, needed: int, there: int
) -> Finding:
    values = (size_text(needed), size_text(there))
    return Finding(
        "blocks" if severity == "blocks" else "warns", code, message, remedy, values=values
    )
