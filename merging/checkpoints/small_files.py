"""Read small files of a stranger's model folder: bounded, regular, and inside it."""

import os
import stat
from pathlib import Path

MOST_BYTES = 64 << 20  # of one file


class Refused(Exception):
    """A file is not taken; the message is a clause: "it is a link out of the folder"."""


def read_small(folder: Path, name: str, most: int = MOST_BYTES) -> bytes | None:
    """Return the bytes of a file in a model's folder.

    A link may lead to another place in the folder, or from a snapshot of the hub's cache into the
    ``blobs`` of the same model.

    Args:
        folder: The model's folder.
        name: Plain name, or one folder and a plain name.
        most: Most bytes.

    Returns:
        The bytes, or None where there is no such file.

    Raises:
        Refused: It is larger, no regular file, leads out of the folder, or cannot be read.
    """
    path = folder / name
    if not os.path.lexists(path):
        return None
    try:
        real, home = path.resolve(strict=True), folder.resolve()
        if not any(real.is_relative_to(place) for place in _places(home)):
            raise Refused("it is a link out of the model's folder; put a copy in its place")
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with os.fdopen(os.open(real, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise Refused("it is no regular file")
            data = file.read(most + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise Refused(f"it cannot be read: {error}") from error
    if len(data) > most:
        raise Refused(f"it is larger than {most >> 20} MiB")
    return data


def _places(home: Path) -> tuple[Path, ...]:
    """Where the files of a model may lie."""
    if home.parent.name == "snapshots":
        return (home, home.parent.parent / "blobs")
    return (home,)
