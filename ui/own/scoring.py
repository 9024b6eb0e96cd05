"""Scores of base, experts and merge on own data, or how far outputs moved: jobs and results."""

from dataclasses import dataclass
from functools import partial

from merging.checkpoints.adapter import over
from merging.checkpoints.adapter_file import is_adapter, read_adapter
from merging.checkpoints.folder import open_folder
from merging.errors import Cancelled, EvaluationError, MergeError, RecipeError, SourceError
from merging.evaluation.own_data import OwnData
from merging.evaluation.own_models import home_of
from merging.evaluation.own_round import (
    Candidate,
    changes_from,
    check_memory,
    memory_of,
    rows_for,
    score_all,
)
from merging.jobs import JobRunner, Report, ResultCache, Snapshot
from merging.preflight.resources import free_memory
from ui.own.outputs import Output
from ui.own.shelf import Shelf
from ui.views.own_scores import ChangeView, OwnScoresView, change_view, own_scores_view

MERGED = "the merge"
MOST_KEPT = 256
NOTHING = "Merge first: then base, experts and merge can be scored here."
GONE = "What was merged is no longer here. Merge again, then score."


@dataclass(frozen=True, slots=True)
class Result:
    """What a visitor's last scoring found.

    Attributes:
        token: Of the output that was scored.
        name: Of the merged model.
        scores: On own data, or None.
        change: Of outputs on the neutral inputs, or None.
    """

    token: str
    name: str
    scores: OwnScoresView | None = None
    change: ChangeView | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a scoring takes.

    Attributes:
        problem: Why there can be none, or "".
        memory: Bytes, one model at a time.
        rows: That are scored at most.
    """

    problem: str
    memory: int = 0
    rows: int = 0


class OwnScoring:
    """Runs scorings in the queue of the merges; keeps the last result of every visitor.

    Own data is held by the visitor's session, and by the job until it begins.
    """

    def __init__(self, jobs: JobRunner) -> None:
        """Score in this queue."""
        self._jobs = jobs
        self._found, self._needs = ResultCache(MOST_KEPT), ResultCache(MOST_KEPT)
        self._waiting: dict[str, list[OwnData]] = {}

    def needs(self, output: Output | None, shelf: Shelf) -> Needs:
        """Return what scoring an output takes."""
        if output is None:
            return Needs(NOTHING)
        known: Needs | None = self._needs.get(output.token)
        if known is None:
            try:
                found = candidates(output, shelf)
                known = Needs("", memory_of(found), rows_for(found))
            except MergeError as error:
                known = Needs(shelf.hidden(str(error)))
            self._needs.put(output.token, known)
        return known

    def start(self, owner: str, output: Output, shelf: Shelf, data: OwnData | None) -> Snapshot:
        """Queue a scoring on own data, or without any a comparison of outputs.

        Raises:
            MergeError: Models are gone or do not fit into memory, or the visitor's last scoring is
                still at work.
        """
        found = candidates(output, shelf)
        check_memory(found, free_memory())
        held = [] if data is None else [data]
        key = f"score {output.token} {data.key() if data else 'outputs'}"
        mine = _own(owner)
        job = self._jobs.submit(
            mine, f"{mine} {key}", partial(self._work, mine, output, shelf, held)
        )
        self._waiting[mine] = held
        return job

    def job(self, owner: str) -> Snapshot | None:
        """Return the visitor's newest scoring, or None."""
        return self._jobs.latest(_own(owner))

    def cancel(self, owner: str, seconds: float) -> Snapshot | None:
        """Ask the visitor's scoring to stop, and wait for it a moment."""
        mine = _own(owner)
        self._jobs.cancel(mine)
        self._waiting.pop(mine, []).clear()
        return self._jobs.wait(mine, seconds)

    def result(self, owner: str) -> Result | None:
        """Return what the visitor's last scoring found, or None."""
        found: Result | None = self._found.get(_own(owner))
        return found

    def forget(self, owner: str) -> None:
        """Let go of the visitor's result."""
        self._found.put(_own(owner), None)

    def _work(
        self, owner: str, output: Output, shelf: Shelf, held: list[OwnData], report: Report
    ) -> str:
        self._waiting.pop(owner, None)
        try:
            found = _result(output, shelf, held.pop() if held else None, report)
        except Cancelled:
            raise
        except MergeError as error:
            raise EvaluationError(shelf.hidden(str(error))) from error
        self._found.put(owner, found)
        return output.token


def _result(output: Output, shelf: Shelf, data: OwnData | None, report: Report) -> Result:
    found = candidates(output, shelf)
    if data is None:
        change = change_view(changes_from(found[-1], found[:-1], report))
        return Result(output.token, output.name, change=change)
    scores = own_scores_view(data, score_all(found, data, report))
    return Result(output.token, output.name, scores=scores)


def candidates(output: Output, shelf: Shelf) -> list[Candidate]:
    """Return base, experts and, last, the merge; nothing is read yet.

    Raises:
        MergeError: A model is gone, or adapters were merged alone.
    """
    base, experts = shelf.open(output.recipe)
    if not output.folder.is_dir():
        raise SourceError(GONE)
    found = [] if base is None else [Candidate(base.name, "base", base)]
    found += [Candidate(e.id, "expert", experts[e.id]) for e in output.recipe.experts]
    if not is_adapter(output.folder):
        merged = open_folder(output.folder, MERGED)
    elif base is None:
        raise RecipeError("An adapter alone puts nothing out. Choose its base, and merge again.")
    else:
        adapter = over(read_adapter(output.folder, MERGED), base, MERGED)
        return [*found, Candidate(MERGED, "merged", adapter, home_of(base))]
    own = merged.path / "tokenizer.json"
    home = None if own.is_file() or base is None else home_of(base)
    return [*found, Candidate(MERGED, "merged", merged, home)]


def _own(owner: str) -> str:
    """Another name in the queue than the merges': a visitor may have a job of each."""
    return f"score {owner}"
