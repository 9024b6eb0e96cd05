"""Models judged by a few threads, beside what each task's own expert answers."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial

from merging.evaluation.judged import Judged
from merging.jobs import Report
from merging.search.crew import Piece, in_any_order
from merging.search.ground import Ground
from merging.search.points import Answers


def judged(
    ground: Ground,
    tasks: Sequence[str],
    pieces: Sequence[Piece[Judged]],
    report: Report,
    threads: int | None,
    on_own: Callable[[Answers], None],
) -> Generator[tuple[int, Judged], None, None]:
    """Judge models in any order; the own experts come first, and nobody waits for all of them.

    A share of an own expert's score needs that expert: what is judged before all of them are is
    held back until then.

    Args:
        ground: Measures the own experts.
        tasks: Whose own experts.
        pieces: Each judges one model, in any thread; begun in this order.
        report: Called with the share done; it may raise ``Cancelled``.
        threads: How many, by default ``hands()``.
        on_own: Called once with what the own experts answer, before the first model comes.

    Returns:
        Place and result of each piece.

    Raises:
        MergeError: As judging and measuring do; ``Cancelled`` as raised by ``report``.
    """
    own: Answers = {}
    held: list[tuple[int, Judged]] = []
    first = [partial(_own, ground, task) for task in tasks]
    wanted = len(first)
    if not wanted:
        on_own(own)
    todo: list[Piece[Answers | Judged]] = [*first, *pieces]
    with closing(in_any_order(todo, report, threads)) as found:
        for place, result in found:
            if isinstance(result, Exception):
                raise result
            if isinstance(result, Judged):
                held.append((place - len(first), result.moved()))
            else:
                own, wanted = {**own, **result}, wanted - 1
                if not wanted:
                    on_own({task: own[task] for task in tasks if task in own})
            if not wanted:
                yield from held
                held.clear()


def _own(ground: Ground, task: str, report: Report) -> Answers:
    return ground.own(report, (task,))


def rehearse(ground: Ground) -> None:
    """Measure all own experts in as many threads as will judge, so that their models are built."""
    for _ in judged(ground, ground.tasks(), (), _unheard, None, lambda own: None):
        pass


def _unheard(fraction: float, message: str) -> None:
    """A report that nobody reads."""
