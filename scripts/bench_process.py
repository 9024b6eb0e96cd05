"""Run a command in a process of its own: wall time, processor time and memory as others saw it.

A watcher reads ``/proc`` every few milliseconds, for the process and its children together. The
anonymous part (``RssAnon``) is what was allocated; the whole (``VmRSS``) also counts pages of
mapped files, which the system takes back when it needs them. Where there is no ``/proc``, memory
is unknown.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
EVERY = 0.004
LOOK_FOR_CHILDREN = 16  # every so many readings
ROOT = Path(__file__).resolve().parents[1]
# The bench's own settings: a merge is measured as a user starts it.
NOT_OURS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


class CommandFailed(Exception):
    """A command that was to be measured failed; the message is the end of what it said."""


@dataclass(frozen=True)
class Ran:
    """One run of a command.

    Attributes:
        seconds: Wall time from before its start to its end.
        processor: Seconds of all processors together.
        anonymous, resident: Peak bytes, highest seen; None where they cannot be read.
        said: What it wrote to its standard output.
    """

    seconds: float
    processor: float
    anonymous: int | None
    resident: int | None
    said: str


def python(*arguments: object) -> list[str]:
    """Return a command of this interpreter."""
    return [sys.executable, *map(str, arguments)]


def ran(command: Sequence[str]) -> Ran:
    """Run a command from the root of the project and measure it.

    Raises:
        CommandFailed: Its exit code is not 0.
    """
    env = {k: v for k, v in os.environ.items() if k not in NOT_OURS}
    env |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, cwd=ROOT, env=env)
        watcher = _Watcher(process.pid)
        watcher.start()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        watcher.ended.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise CommandFailed(errors.read().strip()[-600:] or f"exit code {process.returncode}")
        out.seek(0)
        return Ran(
            seconds, used.ru_utime + used.ru_stime, watcher.anonymous, watcher.resident, out.read()
        )


def settle(folder: Path) -> None:
    """Bring the files of a folder to the disk, so that later runs do not share it with them."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


class _Watcher(threading.Thread):
    """Keeps the highest memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.ended = threading.Event()
        self.anonymous: int | None = None
        self.resident: int | None = None

    def run(self) -> None:
        family, reading = [self.pid], 0
        while not self.ended.wait(EVERY):
            reading += 1
            if reading % LOOK_FOR_CHILDREN == 0:
                family = descendants(self.pid)
            found = [memory for pid in family if (memory := memory_of(pid)) is not None]
            if found:
                self.anonymous = max(self.anonymous or 0, sum(anonymous for anonymous, _ in found))
                self.resident = max(self.resident or 0, sum(resident for _, resident in found))


def memory_of(pid: int) -> tuple[int, int] | None:
    """Return anonymous and whole resident bytes of a process, or None where they are not told."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return None
    told = {key: rest.split() for key, _, rest in (line.partition(":") for line in lines)}
    if "RssAnon" not in told or "VmRSS" not in told:
        return None
    return 1024 * int(told["RssAnon"][0]), 1024 * int(told["VmRSS"][0])


def descendants(pid: int) -> list[int]:
    """Return a process and all below it."""
    parents: dict[int, int] = {}
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if entry.name.isdigit():
            try:
                after = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(after[1])
    found = [pid]
    for one in found:
        found.extend(child for child, parent in parents.items() if parent == one)
    return found
