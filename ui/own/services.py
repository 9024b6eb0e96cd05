"""Checks and merges of own models in the background, and what they leave."""

import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from merging.checkpoints.blocks import Blocks, blocks_of
from merging.errors import Cancelled, MergeError, ResourceError
from merging.jobs import JobRunner, Report, ResultCache, Snapshot
from merging.preflight import Findings
from merging.recipe import Recipe
from ui.own.inside import OwnInside
from ui.own.outputs import SECONDS, Output, Outputs
from ui.own.scoring import OwnScoring
from ui.own.shelf import Shelf, read_shelf
from ui.own.work import Task, findings, merge

CHECKERS = 2
MOST_FOUND = 256
MOST_BLOCKS = 64  # of models whose values by layer are kept at hand


class OwnServices:
    """Lives as long as the server.

    Attributes:
        shelf: What can be chosen now.
        listing: Grows each time the models are listed.
        outputs: What was merged.
        jobs: Queue of the merges, shared with the first page.
        scoring: Scores what was merged, in the same queue.
        inside: Reads models for what is told before a merge, in the same queue.
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
        self._sweep: threading.Timer | None = None
        self._found = ResultCache(MOST_FOUND)
        self.scoring = OwnScoring(jobs)
        self.inside = OwnInside(jobs)
        self._blocks = ResultCache(MOST_BLOCKS)
        self._checks = JobRunner(CHECKERS, most_queued=64, prepare=prepare)

    def list_again(self) -> Shelf:
        """Look at the folder of models anew; what was checked before is checked again."""
        self.shelf = read_shelf(self._root)
        self.listing += 1
        return self.shelf

    def checked(self, owner: str, task: Task) -> Snapshot | None:
        """Return the check of a task: begun where there is none; None while another one ends.

        Its result is ``Findings``; they are kept until the models are listed again.
        """
        key = f"check {self.listing} {task.key}"
        known = self._found.get(key)
        if known is not None:
            return Snapshot(key, key, "done", result=known)
        latest = self._checks.latest(_own(owner))
        if latest is not None and latest.key == key:
            return latest
        try:
            return self._checks.submit(_own(owner), key, partial(self._check, key, task))
        except ResourceError:
            return None

    def blocks(self, recipe: Recipe) -> Blocks:
        """Return the blocks of a recipe's base, or of its first expert; no weight is read.

        Raises:
            MergeError: As ``Shelf.open``.
        """
        key = (self.listing, recipe.base, tuple(e.id for e in recipe.experts))
        found: Blocks | None = self._blocks.get(key)
        if found is None:
            base, experts = self.shelf.open(recipe)
            model = base or experts[recipe.experts[0].id]
            found = blocks_of(model.tensors())
            self._blocks.put(key, found)
        return found

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
        if self._sweep is not None:
            self._sweep.cancel()

    def _check(self, key: str, task: Task, report: Report) -> Findings:
        report(0.0, "checking")
        found = findings(task, self.shelf, self._files)
        self._found.put(key, found)
        return found

    def _merge(self, task: Task, shelf: Shelf, owner: str, report: Report) -> Output:
        token, place = self.outputs.place()
        folder = place / task.name
        try:
            told = merge(task, shelf, folder, report)
            output = self.outputs.put(token, owner, folder, task.recipe, told)
        except BaseException as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, MergeError) and not isinstance(error, Cancelled):
                said = self.shelf.hidden(str(error)).replace(f"{place}/", "")
                raise MergeError(said) from error
            raise
        self._sweep_later()
        return output

    def _sweep_later(self) -> None:
        """Let go of old outputs also where nobody comes to ask."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep = threading.Timer(SECONDS + 1, self.outputs.collect)
        self._sweep.daemon = True
        self._sweep.start()


def _own(owner: str) -> str:
    """Another name in the queue than the first page's: a visitor may have a job on each."""
    return f"own {owner}"
