"""A model folder written while it is computed: chunks from several threads, one thread to the disk.

The threads that compute also checksum their chunks, which are still in their caches; the writer
thread only writes. Nothing is forced to the platter: a run may be killed at any moment and go on
from its verified shards, but a model finished less than a minute before a power cut may be lost.
"""

import shutil
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Self

from torch import Tensor

from merging.checkpoints.layouts import ROOT, Home
from merging.engine.background import Background
from merging.engine.checksum import advanced
from merging.engine.claim import FULL, Claim
from merging.engine.incoming import Incoming
from merging.engine.journal import recover, write_file, write_journal
from merging.engine.shard_file import PARTIAL, ShardFile, place_in
from merging.engine.shards import INDEX, Slot, fingerprint, index_texts, lay_out
from merging.errors import Cancelled, ResourceError, SourceError
from merging.units import size_text

_PIECE = 8 << 20  # most bytes written at once, so that a stop need not wait for more


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes on their way: where they go, and their share of the shard's checksum."""

    shard: int
    offset: int
    data: memoryview
    share: int


class FolderWriter:
    """Writes a model folder, chunk by chunk; it appears under its name only when complete.

    As a context manager it abandons what was not finished.

    Attributes:
        done: Tensors in verified shards of an interrupted run; they need not be computed, and
            ``write`` drops them.
    """

    def __init__(
        self,
        folder: Path,
        slots: Sequence[Slot],
        key: str,
        metadata: Mapping[str, str] = {},
        *,
        shard_bytes: int = 5_000_000_000,
        homes: Sequence[Home] = (ROOT,),
        queue_bytes: int = 64 << 20,
    ) -> None:
        """Claim the folder and look for what an interrupted run finished.

        Args:
            folder: Must not exist, or be empty.
            slots: Every tensor, in about the order in which they come.
            key: Of what is computed; finished shards of a run with another key are deleted.
            metadata: Written into every shard.
            shard_bytes: Most bytes of tensors in a shard, at least 1.
            homes: Where the tensors of each module lie.
            queue_bytes: Bytes that may wait for the disk.

        Raises:
            SourceError: The folder is in use or cannot be made.
            ResourceError: The disk is full, or has less room than the model needs.
            CompatibilityError: A tensor cannot be stored.
            ParameterError: ``shard_bytes`` is less than 1.
        """
        self._homes = tuple(homes)
        self._shards = lay_out(slots, shard_bytes, metadata, homes)
        self._claim = Claim(folder)
        self._end = RLock()  # held by whoever finishes or discards
        self._gone = False
        self._finished = False
        self._files: dict[int, ShardFile] = {}
        try:
            sizes = {shard.name: shard.size for shard in self._shards}
            self._journal = recover(self._claim, key, fingerprint(self._shards), sizes)
            self._check_room()
            kept = [shard for shard in self._shards if shard.name in self._journal.shards]
            self.done = frozenset(slot.name for shard in kept for slot in shard.slots)
            self._tensors = {
                slot.name: Incoming(slot, number, start)
                for number, shard in enumerate(self._shards)
                for slot, start in zip(shard.slots, shard.starts, strict=True)
            }
            self._disk = Background(
                "model writer", self._store, queue_bytes, self._complete_empty, self._close
            )
        except OSError as error:
            self._discard()
            raise self._error(error) from error
        except BaseException:
            self._claim.release()
            raise

    def write(self, name: str, start: int, values: Tensor) -> None:
        """Hand over a part of a tensor; from any thread, in any order, each element once.

        Blocks while the queue is full.

        Args:
            name: Of a slot.
            start: Index of the first element in the flattened tensor.
            values: Flat contiguous CPU tensor of the slot's type; must not be changed afterwards.

        Raises:
            ResourceError: The disk is full or failed; everything was removed.
            Cancelled: The writer was abandoned.
            ValueError: The values do not fit the slot, or were written before, or all is finished.
        """
        if name not in self._tensors:
            raise ValueError(f"{name!r} is not a tensor of the output")
        if name in self.done:
            return
        tensor = self._tensors[name]
        offset, data = tensor.accept(start, values)
        size = self._shards[tensor.shard].size
        for first in range(0, len(data), _PIECE):
            part = data[first : first + _PIECE]
            at = offset + first
            share = advanced(zlib.crc32(part), size - at - len(part))
            if not self._disk.put(_Piece(tensor.shard, at, part, share), len(part)):
                raise self._reason()

    def finish(self, files: Mapping[str, str | bytes]) -> None:
        """Wait for the disk, add other files and give the folder its name.

        Args:
            files: Contents of further files (``config.json``) by plain name, which may
                stand in one folder (``1_Pooling/config.json``); text becomes UTF-8.

        Raises:
            ResourceError: The disk is full or failed; everything was removed.
            SourceError: A file has no plain name, or the folder's name was taken meanwhile.
            Cancelled: The writer was abandoned.
            ValueError: Elements are missing, or all is finished.
        """
        others = self._contents(files)
        if self._gone or self._disk.stopped:
            self._disk.join()
            raise self._reason()
        missing = [n for n, t in self._tensors.items() if not t.complete and n not in self.done]
        if missing:
            raise ValueError(f"elements of {len(missing)} tensors are missing: {missing[:5]}")
        try:
            self._disk.join()
            with self._end:
                if self._gone or self._disk.stopped:
                    raise self._reason()
                for name, data in others.items():
                    partial = self._claim.work / f"{name.replace('/', ' ')}{PARTIAL}"
                    write_file(partial, place_in(self._claim.model, name), data)
                self._claim.deliver()
                self._finished = True
                self._discard()
        except OSError as error:
            self.abandon()
            raise self._error(error) from error
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Stop and remove everything that was made; nothing happens after ``finish``."""
        self._disk.stop()
        self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def _check_room(self) -> None:
        """Refuse to begin what cannot end."""
        left = [s.size for s in self._shards if s.name not in self._journal.shards]
        disk = shutil.disk_usage(self._claim.work)
        if disk.free < sum(left) and disk.total:
            if self._journal.shards:
                self._claim.release()
            else:
                self._discard()
            raise ResourceError(
                f"The disk is too full: {str(self._claim.folder)!r} needs {size_text(sum(left))} "
                f"and {size_text(disk.free)} are free. Free some space or choose another --out."
            )

    def _contents(self, files: Mapping[str, str | bytes]) -> dict[str, bytes]:
        """Index and further files as bytes, their names checked."""
        contents: dict[str, bytes] = {}
        taken = {name for home in self._homes for name in (home.file, f"{home.file}{INDEX}")}
        taken = {name.casefold() for name in taken | {shard.name for shard in self._shards}}
        contents |= {n: text.encode() for n, text in index_texts(self._shards).items()}
        for name, text in files.items():
            place = name.split("/")
            if name.casefold() in taken or len(place) > 2 or not all(map(_is_plain, place)):
                raise SourceError(f"{name!r} cannot be a file of the model: choose a plain name.")
            taken.add(name.casefold())
            contents[name] = text.encode() if isinstance(text, str) else text
        return contents

    def _reason(self) -> BaseException:
        """Why nothing can be written any more."""
        if self._disk.failure is not None:
            return self._error(self._disk.failure)
        if self._finished:
            return ValueError("the folder is finished")
        return Cancelled("The merge was stopped; nothing was kept.")

    def _store(self, piece: _Piece) -> None:
        """Write a piece, and complete its shard if it was the last."""
        file = self._files.get(piece.shard) or self._open(piece.shard)
        file.put(piece.offset, piece.data, piece.share)
        if not file.left:
            self._complete(piece.shard)

    def _open(self, number: int) -> ShardFile:
        """Begin a shard."""
        file = ShardFile(self._shards[number], self._claim.work)
        self._files[number] = file
        return file

    def _complete(self, number: int) -> None:
        """Give a shard its name and record it."""
        shard = self._shards[number]
        file = self._files.pop(number)
        file.complete(self._claim.model)
        shards = {**self._journal.shards, shard.name: (shard.size, file.checksum)}
        self._journal = replace(self._journal, shards=shards)
        write_journal(self._journal, self._claim.work)

    def _complete_empty(self) -> None:
        """Write the shards whose tensors have no elements: no piece began them."""
        for number, shard in enumerate(self._shards):
            if shard.name not in self._journal.shards:
                if number in self._files or self._open(number).left:
                    raise ValueError(f"finish was called while {shard.name} was being written")
                self._complete(number)

    def _close(self, well: bool) -> None:
        """Let go of open files; after a failure remove everything at once."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        if not well:
            self._discard()

    def _discard(self) -> None:
        """Remove the working folder, once: afterwards it may be somebody else's."""
        with self._end:
            if not self._gone:
                self._gone = True
                with suppress(OSError):
                    self._claim.keep_only()
                self._claim.release()

    def _error(self, cause: BaseException) -> BaseException:
        """What to raise for a failure of the disk; other failures are raised as they are."""
        if not isinstance(cause, OSError):
            return cause
        folder = str(self._claim.folder)
        if cause.errno in FULL:
            return ResourceError(
                f"The disk is full: writing to {folder!r} stopped, and nothing was left behind. "
                f"The model needs {size_text(sum(s.size for s in self._shards))}. Free some "
                "space or choose another --out."
            )
        return ResourceError(
            f"Writing to {folder!r} failed: {cause.strerror or cause}. Nothing was left behind. "
            "Check the disk or choose another --out."
        )


def _is_plain(name: str) -> bool:
    """Is it a file's name that means the same everywhere?"""
    known = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    return known and bool(name.strip(". ")) and not name.endswith(PARTIAL)
