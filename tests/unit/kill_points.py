"""Writes one model again and again, killed a step later each time; run by test_writer_killed.py.

Usage: python -m tests.unit.kill_points FOLDER KEY. Run n works in FOLDER/n and dies by SIGKILL just
before its n-th change of the file system, or half-way through it if that is a write; the last one
survives.
"""

import os
import signal
import sys
from pathlib import Path

import torch

from merging.engine import shard_file
from merging.engine.shards import Slot
from merging.engine.writer import FolderWriter

SLOTS = [
    Slot("a", torch.float32, (3, 5)), Slot("b", torch.bfloat16, (7,)), Slot("c", torch.int64, ()),
    Slot("d", torch.float16, (2, 11)), Slot("e", torch.float32, (0,)), Slot("f", torch.bool, (9,)),
]  # fmt: skip
SHARD_BYTES = 64
METADATA = {"recipe": "test"}
FILES = {"config.json": "{}\n", "recipe.yaml": "λ: 1\n"}
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "fcntl.flock")


def tensor(slot: Slot) -> torch.Tensor:
    """Its values."""
    return (torch.arange(slot.elements) % 5 + len(slot.name)).to(slot.dtype).reshape(slot.shape)


def write(folder: Path, key: str) -> frozenset[str]:
    """Write what is missing, in chunks of 4 elements; tells what was not."""
    with FolderWriter(folder, SLOTS, key, METADATA, shard_bytes=SHARD_BYTES) as writer:
        for slot in SLOTS:
            flat = tensor(slot).flatten()
            if slot.name not in writer.done:
                for start in range(0, len(flat), 4):
                    writer.write(slot.name, start, flat[start : start + 4].clone())
        writer.finish(FILES)
    return writer.done


def _die_at(step: int, folder: Path) -> None:
    """Count changes below the folder and die before the given one."""
    count = 0
    real = os.pwrite

    def passed() -> bool:
        nonlocal count
        count += 1
        return count > step

    def torn(descriptor: int, data: memoryview, offset: int) -> int:
        if passed():
            real(descriptor, data[: len(data) // 2], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(descriptor, data, offset)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        opened = event == "open" and str(arguments[0]).startswith(str(folder))
        if (opened or event in CHANGES) and passed():
            os.kill(os.getpid(), signal.SIGKILL)

    shard_file.os.pwrite = torn
    sys.addaudithook(watch)


def main(root: Path, key: str) -> None:
    """Fork a run for every step until one survives."""
    step = 0
    while True:
        child = os.fork()
        if child == 0:
            _die_at(step, root)
            write(root / str(step) / "out", key)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
        step += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
