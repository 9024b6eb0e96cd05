"""Who may write to a folder: one owner at a time, and a dead owner's right ends with it.

A model that is to appear as ``NAME`` is made in ``.NAME.merging`` beside it::

    .NAME.merging/lock           locked while its owner lives; the system lets go when it dies
    .NAME.merging/journal.json   finished shards with size and checksum
    .NAME.merging/*.partial      files that are not complete
    .NAME.merging/model/         complete files only; renamed to NAME at the end
"""

import os
import shutil
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path

from merging.engine.shard_file import FILE_MODE, FOLDER_MODE, PARTIAL
from merging.errors import MergeError, ResourceError, SourceError

LOCK = "lock"
JOURNAL = "journal.json"
MODEL = "model"
FULL = (ENOSPC, EDQUOT)

_RIVALS = 50  # times others may take and leave the folder while we try


class Claim:
    """The right to write one folder, held until ``release``.

    Attributes:
        folder: The target, absolute, symbolic links resolved.
        work: Working folder beside it.
        model: Complete files, inside ``work``.
    """

    def __init__(self, folder: Path) -> None:
        """Make the working folder, or take over that of a dead process, and lock it.

        Raises:
            SourceError: The target is in use, somebody else writes to it, or it cannot be made.
            ResourceError: The disk is full.
        """
        self.folder = Path(os.path.realpath(folder))
        self._descriptor = -1
        try:
            self.check_target()
            self.work = self.folder.with_name(f".{self.folder.name}.merging")
            self.model = self.work / MODEL
            self._made = [p for p in self.folder.parents if not p.exists()]
        except OSError as error:
            raise _refusal(self.folder, error) from error
        try:
            self._acquire()
            self.check_target()
            self.model.mkdir(exist_ok=True)
        except OSError as error:
            self.release()
            raise _refusal(self.folder, error) from error
        except BaseException:
            self.release()
            raise

    def check_target(self) -> None:
        """Make sure that the target can be replaced by the finished model.

        Raises:
            SourceError: It exists and is not an empty folder, or a disk is mounted there.
            OSError: It cannot be looked at.
        """
        folder = self.folder
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SourceError(f"{str(folder)!r} exists already. Choose another --out.")
        if os.path.ismount(folder):
            raise SourceError(
                f"{str(folder)!r} is a mount point, which cannot be replaced. "
                "Choose a folder inside it as --out."
            )

    def keep_only(self, *paths: Path) -> None:
        """Delete everything in the working folder but these files and the lock.

        Raises:
            OSError: Something cannot be deleted.
        """
        kept = {self.work / LOCK, self.model, *paths, *(path.parent for path in paths)}
        for path in [*self.work.glob("*"), *self.model.glob("*"), *self.model.glob("*/*")]:
            if path not in kept and path.parent.exists():
                _delete(path)

    def deliver(self) -> None:
        """Give the finished model its name.

        Raises:
            SourceError: The name was taken in the meantime.
            OSError: The disk fails.
        """
        self.check_target()
        self.model.chmod(FOLDER_MODE)
        if os.name == "nt" and self.folder.exists():
            self.folder.rmdir()
        self.model.replace(self.folder)

    def release(self) -> None:
        """Give the right up and leave no empty folder behind. May be called again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                self.model.rmdir()
            if os.name == "nt":  # an open file cannot be deleted there
                os.close(descriptor)
            with suppress(OSError):  # after this the working folder may be somebody else's
                (self.work / LOCK).unlink()
        with suppress(OSError):  # what is not empty stays
            for path in (self.work, *self._made):
                path.rmdir()
        if descriptor >= 0 and os.name != "nt":
            os.close(descriptor)

    def _acquire(self) -> None:
        """Lock the file that lies at the path now: its last owner may be deleting it."""
        path = self.work / LOCK
        for _ in range(_RIVALS):
            with suppress(FileNotFoundError):
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileExistsError):
                    self.work.mkdir(0o700)
                _check_ours(self.work)
                try:
                    descriptor = _lock(path)
                except BlockingIOError as error:
                    raise SourceError(_taken(self.folder, path, error)) from error
                if _lies_at(descriptor, path):
                    self._descriptor = descriptor
                    return
                os.close(descriptor)
        if not self.work.exists():
            raise SourceError(f"No folder can be made beside {str(self.folder)!r}. Choose another.")
        raise SourceError(_taken(self.folder, path))


def _check_ours(work: Path) -> None:
    """Refuse a folder with anything that is not of a merge: it would be deleted."""
    strange = [work.name]
    if not work.is_symlink() and (work.is_dir() or not work.exists()):
        names = (path.name for path in work.iterdir())
        ours = (LOCK, JOURNAL, MODEL)
        strange = [n for n in names if n not in ours and not n.endswith(PARTIAL)]
    if strange:
        raise SourceError(
            f"{str(work)!r} is needed as a working folder, and {strange[0]!r} there is not of a "
            "merge. Move it away or choose another --out."
        )


def _lock(path: Path) -> int:
    """Descriptor of the file, locked; BlockingIOError when another owner lives."""
    try:
        import fcntl
    except ImportError:
        return _create_alone(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    _sign(descriptor)
    return descriptor


def _create_alone(path: Path) -> int:
    """The same where there is no flock: the file's existence is the lock, even of a dead owner."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError as error:
        raise BlockingIOError(
            f" If no merge is running there any more, delete {str(path)!r}."
        ) from error
    _sign(descriptor)
    return descriptor


def _sign(descriptor: int) -> None:
    """Name the owner, for messages only: a full disk shall not matter here."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d" % os.getpid())


def _lies_at(descriptor: int, path: Path) -> bool:
    """Is the open file still the one at the path?"""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _taken(folder: Path, lock: Path, error: BlockingIOError | None = None) -> str:
    """What to tell the second one."""
    try:
        owner = f" (process {int(lock.read_bytes())})"
    except (OSError, ValueError):
        owner = ""
    hint = error.args[0] if error is not None and error.errno is None else ""
    return (
        f"Another merge{owner} is writing to {str(folder)!r}. "
        f"Wait for it or choose another --out.{hint}"
    )


def _refusal(folder: Path, error: OSError) -> MergeError:
    """What to tell when the working folder cannot be made."""
    if error.errno in FULL:
        return ResourceError(
            f"The disk is full: nothing can be written to {str(folder)!r}. Free some space or "
            "choose another --out."
        )
    return SourceError(
        f"Cannot write beside {str(folder)!r}: {error.strerror}. Choose another --out."
    )


def _delete(path: Path) -> None:
    """Delete a file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
