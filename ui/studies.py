"""Long looks of all visitors (sweeps, searches, maps): one job each, and what each found last."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from merging.jobs import JobRunner, Report, ResultCache, Snapshot
from merging.search.points import Measure
from merging.search.source import Source

MOST_FOUND = 512
STUDIED = 200  # images of each task that score a point: half the wait for 1.4 times the noise
PREFIX = "study"

Keep = Callable[[Any], None]
Work = Callable[[Measure, Report, Keep], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a visitor's last study found by now; ``number`` is another one after every change."""

    value: Any
    number: int


class Studies:
    """Runs studies as jobs and keeps what each visitor's last of a kind found, whole or in part."""

    def __init__(
        self,
        jobs: JobRunner,
        answers: ResultCache,
        measure_of: Callable[[str], Measure],
        elsewhere: Callable[[Measure], Source | None] = lambda measure: None,
    ) -> None:
        """Begin without any.

        Args:
            jobs: Runs them.
            answers: What recipes answered, shared by all visitors.
            measure_of: Opens a set.
            elsewhere: Says what scores the points of a measure, where that is not this process.
        """
        self.answers, self.elsewhere = answers, elsewhere
        self.turn = threading.Lock()  # a measure is for one thread at a time
        self._jobs, self._measure_of = jobs, measure_of
        self._measures: dict[str, Measure] = {}
        self._found = ResultCache(MOST_FOUND)
        self._kinds: set[str] = set()
        self._numbers = count(1)

    def start(self, owner: str, kind: str, key: str, name: str, work: Work) -> Snapshot:
        """Queue a study of a set.

        Args:
            owner: The visitor, who has one job at a time.
            kind: "sweep", for example: a word without spaces.
            key: What equal studies share.
            name: Of the set.
            work: Gets the set's measure, a report that may raise ``Cancelled``, and what it calls
                with every partial result.

        Raises:
            ResourceError: The visitor has another live job, or the queue is full.
        """

        self._kinds.add(kind)

        def run(report: Report) -> Any:
            keep = partial(self._keep, owner, kind)
            with self.turn:
                return work(self.measure(name), report, keep)

        # Nobody shares a run, but all share its points.
        return self._jobs.submit(owner, f"{PREFIX} {kind} {owner} {key}", run)

    def of(self, owner: str, kind: str) -> Found | None:
        """Return what the visitor's last study of a kind found, or None."""
        found: Found | None = self._found.get((owner, kind))
        return found

    def all_of(self, owner: str) -> tuple[Found, ...]:
        """Return what the visitor's last studies of all kinds found."""
        found = (self.of(owner, kind) for kind in sorted(self._kinds))
        return tuple(one for one in found if one is not None)

    def measure(self, name: str) -> Measure:
        """Return what scores the recipes of a set; opened once."""
        if name not in self._measures:
            self._measures[name] = self._measure_of(name)
        return self._measures[name]

    def _keep(self, owner: str, kind: str, value: Any) -> None:
        self._found.put((owner, kind), Found(value, next(self._numbers)))


def study_kind(snapshot: Snapshot | None) -> str:
    """Return which kind of study a job is; "" where it is a merge or nothing."""
    words = [] if snapshot is None else snapshot.key.split(" ", 2)
    return words[1] if words[:1] == [PREFIX] else ""
