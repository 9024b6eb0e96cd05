"""One file written in pieces of any order, which bears its name only when it is complete."""

import os
import zlib
from pathlib import Path

from merging.engine.checksum import advanced
from merging.engine.shards import Shard

PARTIAL = ".partial"
FILE_MODE, FOLDER_MODE = 0o644, 0o755


class ShardFile:
    """A shard on its way to the disk; used by one thread.

    Attributes:
        name: The shard's file name.
        left: Bytes that are still to come.
        checksum: CRC-32 of the file, right when nothing is left.
    """

    def __init__(self, shard: Shard, folder: Path) -> None:
        """Create ``NAME.partial`` in the folder, with the header.

        Raises:
            OSError: The file cannot be made or written.
        """
        self.name = shard.name
        self.left = shard.size
        self.checksum = 0
        self._path = folder / f"{shard.name.replace('/', ' ')}{PARTIAL}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self._path, flags, FILE_MODE)
        try:
            header = memoryview(shard.header)
            self.put(0, header, advanced(zlib.crc32(header), shard.size - len(header)))
        except BaseException:
            self.close()
            raise

    def put(self, offset: int, data: memoryview, share: int) -> None:
        """Write bytes that were not written before.

        Args:
            offset: Where they begin, from the beginning of the file.
            data: The bytes, in one dimension.
            share: Their share of the file's checksum, as ``advanced`` gives it.

        Raises:
            OSError: The disk is full, or fails.
        """
        done = 0
        while done < len(data):
            done += _write_at(self._descriptor, data[done:], offset + done)
        self.left -= len(data)
        self.checksum ^= share

    def complete(self, folder: Path) -> None:
        """Close the file and move it to the folder under its own name.

        Raises:
            OSError: The disk fails.
        """
        self.close()
        self._path.chmod(FILE_MODE)
        self._path.replace(place_in(folder, self.name))

    def close(self) -> None:
        """Close the file and leave it where it is. May be called again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def place_in(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder; the one folder that may stand before it is made.

    Raises:
        OSError: It cannot be made.
    """
    path = folder / name
    if path.parent != folder:
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(FOLDER_MODE)
    return path


def _write_at(descriptor: int, data: memoryview, offset: int) -> int:
    """Number of bytes written, which may be fewer than given."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)
