"""What an interrupted run finished: recorded shard by shard, verified before it is used again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from merging.engine.checksum import file_checksum
from merging.engine.claim import JOURNAL, Claim
from merging.engine.shard_file import FILE_MODE, PARTIAL


@dataclass(frozen=True, slots=True)
class Journal:
    """What is finished.

    Attributes:
        key: Of what is computed: equal keys have equal tensors.
        layout: Fingerprint of the files' layout.
        shards: Size in bytes and CRC-32 of each finished file, by name.
    """

    key: str
    layout: str
    shards: Mapping[str, tuple[int, int]]


def recover(claim: Claim, key: str, layout: str, sizes: Mapping[str, int]) -> Journal:
    """Take over what an interrupted run finished, and delete the rest.

    Args:
        claim: The folder, claimed.
        key: Of what is to be computed.
        layout: Fingerprint of the files that are to be written.
        sizes: Bytes of each of them, by name.

    Returns:
        The journal to go on with, as it lies there; its shards have the right size and checksum.

    Raises:
        OSError: The working folder cannot be changed, or the disk is full.
    """
    found = _read_journal(claim.work / JOURNAL)
    good: dict[str, tuple[int, int]] = {}
    if found is not None and (found.key, found.layout) == (key, layout):
        for name, (size, checksum) in found.shards.items():
            if sizes.get(name) == size and _is_intact(claim.model / name, size, checksum):
                good[name] = (size, checksum)
    journal = Journal(key, layout, good)
    if journal != found:
        write_journal(journal, claim.work)
    claim.keep_only(claim.work / JOURNAL, *(claim.model / name for name in good))
    return journal


def write_journal(journal: Journal, work: Path) -> None:
    """Replace the journal of a working folder.

    Raises:
        OSError: The disk is full, or fails.
    """
    data = json.dumps(asdict(journal)).encode()
    write_file(work / f"{JOURNAL}{PARTIAL}", work / JOURNAL, data)


def write_file(partial: Path, path: Path, data: bytes) -> None:
    """Write a small file under a temporary name and rename it.

    Raises:
        OSError: The disk is full, or fails.
    """
    partial.write_bytes(data)
    partial.chmod(FILE_MODE)
    partial.replace(path)


def _read_journal(path: Path) -> Journal | None:
    """The journal, or None where there is none that can be understood."""
    try:
        found = json.loads(path.read_bytes())
        shards = {str(n): (int(size), int(crc)) for n, (size, crc) in found["shards"].items()}
        return Journal(str(found["key"]), str(found["layout"]), shards)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ):
        return None


def _is_intact(path: Path, size: int, checksum: int) -> bool:
    """Is the file as it was when it was recorded?"""
    try:
        return path.stat().st_size == size and file_checksum(path) == checksum
    except OSError:
        return False
