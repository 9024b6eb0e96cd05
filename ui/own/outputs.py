"""What was merged for visitors, until it is fetched, an hour has passed or room is needed."""

import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from merging.errors import ResourceError
from merging.jobs import Report
from merging.recipe import Recipe

MOST_KEPT = 12
MOST_EACH = 2  # of one visitor
MOST_BYTES = 12_000_000_000
SECONDS = 3600.0
BLOCK = 1 << 24


@dataclass(frozen=True, slots=True)
class Output:
    """Something that was merged.

    Attributes:
        token: Unguessable part of its address.
        owner: Whose it is.
        name: Of the model and, with ``.zip``, of the file.
        folder: The written model or adapter.
        archive: The same in one file.
        recipe: What was merged.
        told: What was done and what a look at the written files found, in sentences.
        made: When, in seconds of the clock.
        size: Bytes of folder and archive together.
    """

    token: str
    owner: str
    name: str
    folder: Path
    archive: Path
    recipe: Recipe
    told: tuple[str, ...]
    made: float
    size: int


class Outputs:
    """The kept outputs; the oldest go first."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep files below ``root``."""
        self._root, self._clock = root, clock
        self._lock = threading.Lock()
        self._kept: list[Output] = []

    def place(self) -> tuple[str, Path]:
        """Return a new token and an empty folder of its own."""
        self.collect()
        token = secrets.token_urlsafe(24)
        folder = self._root / token
        folder.mkdir(parents=True)
        return token, folder

    def put(
        self, token: str, owner: str, folder: Path, recipe: Recipe, told: tuple[str, ...]
    ) -> Output:
        """Keep a packed output; what is too old or too much goes.

        Args:
            token: From ``place``.
            owner: Whose it is.
            folder: Written model; ``folder.zip`` lies beside it.
            recipe, told: As in ``Output``.
        """
        archive = folder.with_name(f"{folder.name}.zip")
        size = archive.stat().st_size + sum(p.stat().st_size for p in folder.rglob("*"))
        made = self._clock()
        output = Output(token, owner, folder.name, folder, archive, recipe, told, made, size)
        with self._lock:
            self._kept.append(output)
        self.collect()
        return output

    def get(self, token: str) -> Output | None:
        """Return what lies at an address, or None."""
        wanted = token.encode("utf-8", "replace")
        self.collect()
        with self._lock:
            found = (o for o in self._kept if secrets.compare_digest(o.token.encode(), wanted))
            return next(found, None)

    def latest(self, owner: str) -> Output | None:
        """Return a visitor's newest output, or None."""
        self.collect()
        with self._lock:
            mine = [o for o in self._kept if o.owner == owner]
        return mine[-1] if mine else None

    def collect(self) -> None:
        """Let go of what is too old, and from the oldest on what is too much."""
        now, size = self._clock(), 0
        with self._lock:
            kept: list[Output] = []
            for output in reversed(self._kept):
                size += output.size
                own = sum(o.owner == output.owner for o in kept)
                room = not kept or (size <= MOST_BYTES and len(kept) < MOST_KEPT)
                if room and own < MOST_EACH and now - output.made < SECONDS:
                    kept.insert(0, output)
            gone = [o for o in self._kept if o not in kept]
            self._kept = kept
        for output in gone:
            shutil.rmtree(self._root / output.token, ignore_errors=True)


def pack(folder: Path, report: Report) -> Path:
    """Put a folder into one file beside it, without pressing it: weights do not get smaller.

    Args:
        folder: Becomes ``folder.zip``.
        report: Told the share done; it may raise ``Cancelled``.

    Raises:
        ResourceError: It cannot be written.
    """
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    whole, done = sum(p.stat().st_size for p in files) or 1, 0
    path = folder.with_name(f"{folder.name}.zip")
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for file in files:
                about = zipfile.ZipInfo.from_file(
                    file, f"{folder.name}/{file.relative_to(folder).as_posix()}"
                )
                with archive.open(about, "w", force_zip64=True) as into, file.open("rb") as source:
                    while block := source.read(BLOCK):
                        into.write(block)
                        done += len(block)
                        report(done / whole, "packing the download")
    except OSError as error:
        raise ResourceError(f"The download cannot be written: {error.strerror}.") from error
    return path
