"""A map of weight space: every place of a lattice on a plane judged, coarse to fine."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from merging.errors import ParameterError
from merging.evaluation.judged import Judged
from merging.jobs import Report
from merging.search.asked import known_name, threads_of, whole_number
from merging.search.grid import coarse_to_fine
from merging.search.ground import BASE, Ground
from merging.search.judging import judged
from merging.search.pace import Clock, Ended, Pace, ended_by
from merging.search.plane import SIDE, Frame, Grid, Plane, Spot
from merging.search.points import Answers

AVERAGE = "average"
SUM = "sum"
BUDGET = 120.0
MOST_SIDE = 201
Place = tuple[int, int]
Key = str | Place


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """A map at one moment.

    Attributes:
        experts: The two that span the plane with the base.
        frame, grid: Its axes, and the lattice on it.
        tasks: Ids of those that models are judged on.
        places: What was judged, by column and row of the lattice; an earlier map may have judged
            other tasks there.
        named: What was judged of base, both experts, their average and the sum of their changes.
        others: Where the set's other experts stand beside the plane; empty at first.
        own: What each task's own expert answers; empty until it was measured.
        ended: "" while it runs; ``complete``, or stopped by the ``budget`` or ``cancelled``.
        spent: Seconds it has taken.
        seconds: That one task takes at one place, as they come from all threads.
    """

    experts: tuple[str, str]
    frame: Frame
    grid: Grid
    tasks: tuple[str, ...]
    places: Mapping[Place, Judged] = field(default_factory=dict)
    named: Mapping[str, Judged] = field(default_factory=dict)
    others: Mapping[str, Spot] = field(default_factory=dict)
    own: Answers = field(default_factory=dict)
    ended: Ended = ""
    spent: float = 0.0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """Places of the lattice."""
        return self.grid.count**2

    @property
    def left(self) -> float:
        """Seconds it will still take; 0 where that is not known."""
        return 0.0 if self.ended else self.seconds * sum(len(t) for _, t in self.open())

    def open(self) -> Iterator[tuple[Key, tuple[str, ...]]]:
        """Return what is to be judged, in that order: a name or a place, and the tasks it lacks."""
        nothing = Judged({}, {})
        for name in self.shares():
            yield name, self.named.get(name, nothing).lacks(self.tasks)
        for i, j in coarse_to_fine((self.grid.count, self.grid.count)):
            yield (i, j), self.places.get((i, j), nothing).lacks(self.tasks)

    def measured(self, tasks: Sequence[str] | None = None) -> dict[Place, Judged]:
        """Return the places that were judged on all of some tasks, by default the map's own."""
        asked = self.tasks if tasks is None else tasks
        return {place: one for place, one in self.places.items() if not one.lacks(asked)}

    def shares(self) -> dict[str, tuple[float, float]]:
        """Return how much of each task vector leads to what has a name."""
        first, second = self.experts
        return {BASE: (0, 0), first: (1, 0), second: (0, 1), AVERAGE: (0.5, 0.5), SUM: (1, 1)}


def landscape(
    ground: Ground,
    experts: tuple[str, str],
    report: Report,
    *,
    others: tuple[str, ...] = (),
    tasks: Sequence[str] | None = None,
    known: Landscape | None = None,
    count: int = SIDE,
    on_point: Callable[[Landscape], None] = lambda found: None,
    budget_seconds: float = BUDGET,
    clock: Clock = time.monotonic,
    threads: int | None = None,
) -> Landscape:
    """Judge the plane through the base and two experts.

    What has a name comes first, then the lattice coarse to fine, so that any beginning of it shows
    the whole. Each place costs its evaluation and two passes over the weights.

    Args:
        ground: Gives models and judges them.
        experts: Two of its models.
        report: Called with the share done; when it raises ``Cancelled`` the map returns with what
            is done.
        others: Experts to be placed beside the plane.
        tasks: To judge them on; None for all that the ground has.
        known: An earlier map of the same plane, whose places are not judged again.
        count: Places a side, from 2 to 201.
        on_point: Called with the map before the first place, and after each.
        budget_seconds: After so many seconds no place is judged any more.
        clock: Seconds; a test may bring its own.
        threads: That judge at once; by default as many as there are cores, two at most.

    Raises:
        CompatibilityError: The models do not fit together, or span no plane.
        ParameterError: A number is not whole or out of range, or there is no task.
        UnknownNameError: A model or a task is not there.
        MergeError: A place cannot be judged.
    """
    pace = Pace(budget_seconds, clock)
    count, hands = whole_number("count", count, 2, MOST_SIDE), threads_of(threads)
    asked = ground.tasks() if tasks is None else tuple(tasks)
    for task in asked:
        known_name("task", task, ground.tasks())
    for name in (*experts, *others):
        known_name("model", name, ground.models())
    if not asked:
        raise ParameterError("tasks is empty; name at least one to judge models on.")
    plane = Plane.through(
        ground.weights(BASE), ground.weights(experts[0]), ground.weights(experts[1]), experts
    )
    start = Landscape(experts, plane.frame, plane.frame.grid(count), asked)
    if known is not None:
        start = replace(start, places=known.places, named=known.named)
    run = _Run(ground, plane, start, others, on_point, pace)
    ended = ended_by(lambda: run.judge(pace.within(report), hands))
    run.tell(ended=ended)
    return run.state


class _Run:
    """A map at work."""

    def __init__(
        self,
        ground: Ground,
        plane: Plane,
        start: Landscape,
        others: Sequence[str],
        on_point: Callable[[Landscape], None],
        pace: Pace,
    ) -> None:
        self.ground, self.plane, self.state = ground, plane, start
        self._others, self._on_point, self._pace = others, on_point, pace
        self._lanes = threading.local()  # one vector each: hundreds would tear the heap to pieces

    def tell(self, **changes: Any) -> None:
        """Change the map and show it."""
        self.state = replace(self.state, spent=self._pace.spent, **changes)
        self._on_point(self.state)

    def judge(self, report: Report, threads: int | None) -> None:
        """Judge everything; raises as ``report`` and as judging does."""
        self.tell()
        tasks, todo = self.state.tasks, [one for one in self.state.open() if one[1]]
        pieces = [partial(self._piece, self._shares(key), lacking) for key, lacking in todo]
        begin, done = self._pace.spent, len(tasks)  # own experts: one task each
        with closing(judged(self.ground, tasks, pieces, report, threads, self._know)) as found:
            for place, model in found:
                key, lacking = todo[place]
                done += len(lacking)
                self._take(key, model, (self._pace.spent - begin) / done)

    def _know(self, own: Answers) -> None:
        """Show the own experts' answers, and the other experts' places: the crew judges already."""
        spots = {name: self.plane.spot(self.ground.weights(name)) for name in self._others}
        self.tell(own=own, others=spots)

    def _shares(self, key: Key) -> tuple[float, float]:
        if isinstance(key, str):
            return self.state.shares()[key]
        return self.state.frame.shares(*self.state.grid.at(*key))

    def _piece(self, shares: tuple[float, float], tasks: Sequence[str], report: Report) -> Judged:
        room = self._lanes.__dict__.setdefault("room", torch.empty_like(self.plane.base))
        return self.ground.judge(self.plane.weights(*shares, room), report, tasks)

    def _take(self, key: Key, found: Judged, seconds: float) -> None:
        where = "named" if isinstance(key, str) else "places"
        held: Mapping[Key, Judged] = getattr(self.state, where)
        joined = held[key].joined(found) if key in held else found
        self.tell(**{where: {**held, key: joined}}, seconds=seconds)
