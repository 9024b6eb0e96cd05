"""Checks and merges of own models in the background, and what they leave."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from merging.errors import ResourceError
from merging.jobs import JobRunner, Report, Snapshot
from ui.own.outputs import Output, Outputs
from ui.own.shelf import Shelf, read_shelf
from ui.own.work import Task, findings, merge

CHECKERS = 2


class OwnServices:
    """Lives as long as the server.

    Attributes:
        shelf: What can be chosen now.
        listing: Grows each time the models are listed.
        outputs: What was merged.
        jobs: Queue of the merges, shared with the first page.
    """

    def __init__(
        self, jobs: JobRunner, root: str, files: Path, prepare: Callable[[], None] = lambda: None
    ) -> None:
        """List the models.

        Args:
            jobs: Runs merges.
            root: Setting ``MODELS_DIR``, or "".
            files: Folder for what is made.
            prepare: Called once in each thread that checks.
        """
        self.jobs, self._root, self._files = jobs, root, files
        self.outputs = Outputs(files / "own")
        self.shelf: Shelf = read_shelf(root)
        self.listing = 0
        self._checks = JobRunner(CHECKERS, most_queued=64, prepare=prepare)

    def list_again(self) -> Shelf:
        """Look at the folder of models anew; what was checked before is checked again."""
        self.shelf = read_shelf(self._root)
        self.listing += 1
        return self.shelf

    def checked(self, owner: str, task: Task) -> Snapshot | None:
        """Return the check of a task: begun where there is none; None while another one ends.

        Its result is ``Findings``.
        """
        key = f"check {self.listing} {task.key}"
        checks, mine = self._checks, _own(owner)
        latest = checks.latest(mine)
        if latest is not None and latest.key == key and latest.status != "cancelled":
            return latest
        if latest is not None and not latest.final:
            checks.cancel(mine)
        try:
            return checks.submit(mine, key, partial(self._check, task, self.shelf))
        except ResourceError:
            return None

    def start(self, owner: str, task: Task) -> Snapshot:
        """Queue a merge; its result is an ``Output``.

        Raises:
            ResourceError: The visitor's last merge is still at work, or the queue is full.
        """
        mine = _own(owner)
        work = partial(self._merge, task, self.shelf, mine)
        return self.jobs.submit(mine, f"{mine} {task.key}", work)

    def job(self, owner: str) -> Snapshot | None:
        """Return the visitor's newest merge, or None."""
        return self.jobs.latest(_own(owner))

    def cancel(self, owner: str, seconds: float) -> Snapshot | None:
        """Ask the visitor's merge to stop, and wait for it a moment."""
        self.jobs.cancel(_own(owner))
        return self.jobs.wait(_own(owner), seconds)

    def output(self, owner: str) -> Output | None:
        """Return the visitor's newest output, or None."""
        return self.outputs.latest(_own(owner))

    def close(self) -> None:
        """Stop the checks; whoever made the folder of files removes it."""
        self._checks.close()

    def _check(self, task: Task, shelf: Shelf, report: Report) -> object:
        report(0.0, "checking")
        return findings(task, shelf, self._files)

    def _merge(self, task: Task, shelf: Shelf, owner: str, report: Report) -> Output:
        token, place = self.outputs.place()
        folder = place / task.name
        try:
            told = merge(task, shelf, folder, report)
            return self.outputs.put(token, owner, folder, task.recipe, told)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise


def _own(owner: str) -> str:
    """Another name in the queue than the first page's: a visitor may have a job on each."""
    return f"own {owner}"
