"""Several models on the same own data, or on the neutral inputs: one model in memory at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from merging.checkpoints import Checkpoint
from merging.errors import Cancelled, EvaluationError, MergeError, ResourceError
from merging.evaluation.change import Change, Outputs, change, outputs
from merging.evaluation.own_data import OwnData
from merging.evaluation.own_models import OpenedModel, open_model
from merging.evaluation.own_scores import MOST_ITEMS, OwnScore, score_own
from merging.evaluation.scoring import Progress
from merging.units import size_text

Role = Literal["base", "expert", "merged"]
LEAST_ROWS = 20
WORK = 4e10  # rows times parameters that one model is given, about two minutes of two cores
WIDE = 4  # bytes of a float32
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that takes part.

    Attributes:
        name: For people.
        role: What it is to the merge.
        model: Not read yet.
        tokenizer: Folder of its tokenizer; the model's own where None.
    """

    name: str
    role: Role
    model: Checkpoint
    tokenizer: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What became of one model.

    Attributes:
        name, role: As in ``Candidate``.
        score: On own data, or None.
        problem: Why there is none, or "".
    """

    name: str
    role: Role
    score: OwnScore | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """How far the merge is from one model; as in ``Scored``."""

    name: str
    role: Role
    change: Change | None
    problem: str = ""


def memory_of(candidates: Sequence[Candidate]) -> int:
    """Return about how many bytes the largest model takes: as stored, and in float32 at work."""
    return max(
        sum(
            _count(info.shape) * (WIDE + info.dtype.itemsize)
            for info in one.model.tensors().values()
        )
        for one in candidates
    )


def rows_for(candidates: Sequence[Candidate]) -> int:
    """Return how many rows are scored at most: fewer of large models, 20 to 400."""
    largest = max(
        sum(_count(info.shape) for info in one.model.tensors().values()) for one in candidates
    )
    return int(min(MOST_ITEMS, max(LEAST_ROWS, WORK // max(1, largest))))


def check_memory(candidates: Sequence[Candidate], free: int | None) -> None:
    """Refuse models that do not fit.

    Args:
        candidates: Who takes part.
        free: Bytes that can be had, or None where nobody can tell.

    Raises:
        ResourceError: The largest takes more.
    """
    needed = memory_of(candidates)
    if free is not None and needed > free:
        raise ResourceError(
            f"Asking the largest of these models takes about {size_text(needed)} of memory; "
            f"{size_text(free)} are free. Close other programs or leave large models out."
        )


def score_all(
    candidates: Sequence[Candidate],
    data: OwnData,
    progress: Progress = lambda fraction, message: None,
    most: int | None = None,
) -> tuple[Scored, ...]:
    """Score models on the same rows of the reporting half, one after the other.

    A model that cannot be scored says why; the others go on.

    Args:
        candidates: At least one.
        data: Checked.
        progress: Called with the share done; it may raise ``Cancelled``.
        most: Rows at most; by the size of the models where None.

    Raises:
        EvaluationError: None can be scored, or too few rows are held back for scores.
    """
    if data.too_few:
        raise EvaluationError(data.too_few)
    rows = rows_for(candidates) if most is None else most

    def asked(opened: OpenedModel, told: Progress) -> OwnScore:
        return score_own(opened, data, told, most=rows)

    found = tuple(
        Scored(one.name, one.role, score, problem)
        for one, score, problem in _round(candidates, asked, progress)
    )
    _some(found, [one.problem for one in found])
    return found


def changes_from(
    merged: Candidate,
    others: Sequence[Candidate],
    progress: Progress = lambda fraction, message: None,
) -> tuple[Changed, ...]:
    """Compare a merge with other models on the neutral inputs, one after the other.

    Raises:
        EvaluationError: The merge cannot be asked, or none of the others can be compared with it.
    """
    everyone = (merged, *others)
    asked = list(_round(everyone, outputs, progress))
    mine, problem = asked[0][1:]
    if mine is None:
        raise EvaluationError(problem)
    found = tuple(_changed(one, mine, theirs, why) for one, theirs, why in asked[1:])
    _some(found, [one.problem for one in found])
    return found


def _changed(one: Candidate, mine: Outputs, theirs: Outputs | None, problem: str) -> Changed:
    if theirs is None:
        return Changed(one.name, one.role, None, problem)
    try:
        return Changed(one.name, one.role, change(mine, theirs))
    except EvaluationError as error:
        return Changed(one.name, one.role, None, str(error))


def _round(
    candidates: Sequence[Candidate],
    ask: Callable[[OpenedModel, Progress], Answer],
    progress: Progress,
) -> Iterator[tuple[Candidate, Answer | None, str]]:
    """Open and ask every model in turn; what one answered is told before the next is opened."""
    for place, one in enumerate(candidates):

        def told(fraction: float, message: str, place: int = place) -> None:
            progress((place + fraction) / len(candidates), message)

        told(0.0, f"open {one.name}")
        try:
            yield one, ask(open_model(one.model, one.tokenizer), told), ""
        except Cancelled:
            raise
        except MergeError as error:
            yield one, None, str(error)


def _some(found: Sequence[Scored | Changed], problems: Sequence[str]) -> None:
    if found and all(problems):
        raise EvaluationError(problems[0])


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
